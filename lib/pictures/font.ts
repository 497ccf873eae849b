/**
 * A 5 x 7 bitmap font drawn as SVG paths, so that labels look the same on machines without any font.
 *
 * Invariant: each glyph is five columns of seven bits, lowest bit on top; unknown characters are drawn as "?".
 */

const columns: Record<string, string> = {
  " ": "0000000000",
  "%": "2313086462",
  "(": "001c224100",
  ")": "0041221c00",
  "+": "08083e0808",
  ",": "0050300000",
  "-": "0808080808",
  ".": "0060600000",
  "/": "2010080402",
  "0": "3e5149453e",
  "1": "00427f4000",
  "2": "4261514946",
  "3": "2141454b31",
  "4": "1814127f10",
  "5": "2745454539",
  "6": "3c4a494930",
  "7": "0171090503",
  "8": "3649494936",
  "9": "064949291e",
  ":": "0036360000",
  "=": "1414141414",
  "?": "0201510906",
  A: "7e1111117e",
  B: "7f49494936",
  C: "3e41414122",
  D: "7f4141221c",
  E: "7f49494941",
  F: "7f09090901",
  G: "3e4149497a",
  H: "7f0808087f",
  I: "00417f4100",
  J: "2040413f01",
  K: "7f08142241",
  L: "7f40404040",
  M: "7f020c027f",
  N: "7f0408107f",
  O: "3e4141413e",
  P: "7f09090906",
  Q: "3e4151215e",
  R: "7f09192946",
  S: "4649494931",
  T: "01017f0101",
  U: "3f4040403f",
  V: "1f2040201f",
  W: "3f4038403f",
  X: "6314081463",
  Y: "0708700807",
  Z: "6151494543",
  _: "4040404040",
  a: "2054545478",
  b: "7f48444438",
  c: "3844444420",
  d: "384444487f",
  e: "3854545418",
  f: "087e090102",
  g: "0c5252523e",
  h: "7f08040478",
  i: "00447d4000",
  j: "2040443d00",
  k: "7f10284400",
  l: "00417f4000",
  m: "7c04180478",
  n: "7c08040478",
  o: "3844444438",
  p: "7c14141408",
  q: "081414187c",
  r: "7c08040408",
  s: "4854545420",
  t: "043f444020",
  u: "3c4040207c",
  v: "1c2040201c",
  w: "3c4030403c",
  x: "4428102844",
  y: "0c5050503c",
  z: "4464544c44",
};

const ADVANCE = 6;
const HEIGHT = 7;

/** Width in pixels of a line of text. */
export function textWidth(text: string, scale: number): number {
  return text.length === 0 ? 0 : (text.length * ADVANCE - 1) * scale;
}

/** Height in pixels of capital letters. */
export function textHeight(scale: number): number {
  return HEIGHT * scale;
}

function glyphPath(glyph: string, x: number, y: number, scale: number): string {
  let path = "";
  for (let column = 0; column < 5; column++) {
    const bits = Number.parseInt(glyph.slice(2 * column, 2 * column + 2), 16);
    for (let row = 0; row < HEIGHT; row++) {
      if (((bits >> row) & 1) === 0) continue;
      let run = 1;
      while (row + run < HEIGHT && ((bits >> (row + run)) & 1) === 1) run++;
      path += `M${x + column * scale} ${y + row * scale}h${scale}v${run * scale}h${-scale}z`;
      row += run;
    }
  }
  return path;
}

/** An SVG path element that draws a line of text with its upper left corner at (x, y). */
export function textPath(text: string, x: number, y: number, scale: number, fill: string): string {
  let path = "";
  for (const [i, character] of [...text].entries()) {
    const glyph = columns[character] ?? (columns["?"] as string);
    path += glyphPath(glyph, x + i * ADVANCE * scale, y, scale);
  }
  return `<path d="${path}" fill="${fill}" shape-rendering="crispEdges"/>`;
}
