/**
 * A stained tissue section: light absorbed by haematoxylin (nuclei) and eosin (the rest).
 *
 * Invariant: colour is that of the two dyes' amounts by Beer and Lambert's law, with the usual absorption vectors of
 * Ruifrok and Johnston (2001).
 */
import { Dice } from "./dice.js";
import { ramp, Texture } from "./noise.js";

/** A colour picture, RGB. */
export interface ColourImage {
  width: number;
  height: number;
  pixels: Uint8Array;
}

const HAEMATOXYLIN = [0.65, 0.704, 0.286] as const;
const EOSIN = [0.268, 0.87, 0.41] as const;

class Section {
  readonly size: number;
  readonly haematoxylin: Float32Array;
  readonly eosin: Float32Array;

  constructor(size: number) {
    this.size = size;
    this.haematoxylin = new Float32Array(size * size);
    this.eosin = new Float32Array(size * size);
  }

  /** Calls `change` with the distance (1 on the edge) and the place of each pixel of a turned ellipse. */
  ellipse(
    x: number,
    y: number,
    radii: readonly [number, number],
    angle: number,
    change: (at: number, distance: number, px: number, py: number) => void,
  ): void {
    const reach = Math.max(...radii) * 1.2;
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    for (
      let py = Math.max(0, Math.ceil(y - reach));
      py <= Math.min(this.size - 1, y + reach);
      py++
    ) {
      for (
        let px = Math.max(0, Math.ceil(x - reach));
        px <= Math.min(this.size - 1, x + reach);
        px++
      ) {
        const u = (cosine * (px - x) + sine * (py - y)) / radii[0];
        const v = (cosine * (py - y) - sine * (px - x)) / radii[1];
        const distance = Math.sqrt(u * u + v * v);
        if (distance < 1.2) change(py * this.size + px, distance, px, py);
      }
    }
  }
}

interface Stain {
  haematoxylin: number;
  eosin: number;
  texture: Texture;
}

function nucleus(
  section: Section,
  stain: Stain,
  x: number,
  y: number,
  radii: readonly [number, number],
  angle: number,
  density: number,
): void {
  section.ellipse(x, y, radii, angle, (at, distance, px, py) => {
    const weight = ramp(1.12, 0.9, distance);
    const chromatin =
      1 + 0.35 * stain.texture.at(px * 0.7, py * 0.7) + 0.25 * ramp(0.7, 0.95, distance);
    const amount = density * chromatin;
    section.haematoxylin[at] =
      (section.haematoxylin[at] as number) * (1 - weight) + amount * weight;
    section.eosin[at] = (section.eosin[at] as number) * (1 - 0.5 * weight);
  });
}

/** Wavy fibres with clefts between them. */
function stroma(section: Section, stain: Stain, dice: Dice): void {
  const angle = dice.between(0, Math.PI);
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const { texture } = stain;
  for (let y = 0; y < section.size; y++) {
    for (let x = 0; x < section.size; x++) {
      const at = y * section.size + x;
      const bend = 9 * texture.at(x / 45, y / 45);
      const across = cosine * x - sine * y + bend;
      const along = sine * x + cosine * y;
      const fibre = texture.at(across / 3.4, along / 26);
      const patch = texture.at(x / 60 + 9, y / 60);
      const cleft = ramp(0.52, 0.66, texture.at(across / 11 + 80, along / 48));
      section.eosin[at] = (0.5 + 0.2 * fibre + 0.14 * patch) * (1 - 0.85 * cleft);
      section.haematoxylin[at] = 0.07 + 0.03 * fibre * (1 - cleft);
    }
  }
}

function scatterCells(section: Section, stain: Stain, dice: Dice, lymphocytes: number): void {
  const area = section.size ** 2;
  for (let i = 0; i < area / 1500; i++) {
    const [x, y] = [dice.between(0, section.size), dice.between(0, section.size)];
    const radii = [dice.between(5, 9), dice.between(1.6, 2.6)] as const;
    nucleus(section, stain, x, y, radii, dice.between(0, Math.PI), dice.between(0.9, 1.25));
  }
  const [cx, cy] = [dice.between(0, section.size), dice.between(0, section.size)];
  for (let i = 0; i < lymphocytes; i++) {
    const [x, y] = [cx + dice.normal(0, 40), cy + dice.normal(0, 40)];
    nucleus(section, stain, x, y, [3.6, 3.4], 0, dice.between(1.3, 1.6));
  }
}

/** A gland: light lumen, a rim of tall cells, and their nuclei along the outside. */
function gland(
  section: Section,
  stain: Stain,
  dice: Dice,
  x: number,
  y: number,
  radius: number,
  grade: number,
): void {
  const angle = dice.between(0, Math.PI);
  const radii = [radius, radius * dice.between(0.65, 0.95)] as const;
  const lumen = dice.between(0.42, 0.58) * (1 - 0.6 * grade);
  section.ellipse(x, y, [radii[0] * 1.1, radii[1] * 1.1], angle, (at, distance, px, py) => {
    const rough = distance * 1.1 + 0.1 * stain.texture.at(px / 9, py / 9);
    const inside = ramp(1.06, 0.98, rough);
    const open = ramp(lumen + 0.05, lumen - 0.03, rough);
    const cell = 0.42 + 0.1 * stain.texture.at(px / 3, py / 3);
    section.eosin[at] =
      (section.eosin[at] as number) * (1 - inside) + inside * (cell * (1 - open) + 0.03);
    const tint = inside * (0.24 * (1 - open));
    section.haematoxylin[at] = (section.haematoxylin[at] as number) * (1 - inside) + tint;
  });
  const count = Math.round((2 * Math.PI * radius * 0.85) / (7.2 - 1.5 * grade));
  for (let i = 0; i < count; i++) {
    const turn = (2 * Math.PI * (i + dice.between(-0.3, 0.3))) / count;
    const ring = dice.between(0.76, 0.88) - grade * dice.between(0, 0.3);
    const [u, v] = [radii[0] * ring * Math.cos(turn), radii[1] * ring * Math.sin(turn)];
    const [px, py] = [
      x + Math.cos(angle) * u - Math.sin(angle) * v,
      y + Math.sin(angle) * u + Math.cos(angle) * v,
    ];
    const size = dice.between(2.9, 3.7) * (1 + 0.4 * grade);
    const facing = Math.atan2(py - y, px - x);
    nucleus(
      section,
      stain,
      px,
      py,
      [size * 1.45, size],
      facing,
      dice.between(0.8, 1.15) + 0.15 * grade,
    );
  }
}

/** Fat cells: clear, with a thin wall. */
function fatCells(section: Section, dice: Dice): void {
  const [cx, cy] = [dice.between(0, section.size), dice.between(0, section.size)];
  for (let i = 0; i < 14; i++) {
    const [x, y] = [cx + dice.normal(0, 45), cy + dice.normal(0, 45)];
    const radius = dice.between(12, 19);
    section.ellipse(x, y, [radius, radius * 0.9], dice.between(0, 3), (at, distance) => {
      const open = ramp(0.97, 0.88, distance);
      section.eosin[at] = (section.eosin[at] as number) * (1 - open) + 0.02 * open;
      section.haematoxylin[at] = (section.haematoxylin[at] as number) * (1 - open);
    });
  }
}

/** Red blood cells in a small vessel. */
function vessel(section: Section, dice: Dice): void {
  const [x, y] = [dice.between(0, section.size), dice.between(0, section.size)];
  const radius = dice.between(10, 22);
  const angle = dice.between(0, 3);
  section.ellipse(x, y, [radius * 1.5, radius], angle, (at, distance) => {
    section.eosin[at] = distance > 0.9 ? 0.8 : 0.05;
    section.haematoxylin[at] = distance > 0.9 ? 0.15 : 0;
  });
  for (let i = 0; i < radius * 1.6; i++) {
    const [u, v] = [dice.between(-0.6, 0.6) * radius * 1.5, dice.between(-0.6, 0.6) * radius];
    const [px, py] = [
      x + Math.cos(angle) * u - Math.sin(angle) * v,
      y + Math.sin(angle) * u + Math.cos(angle) * v,
    ];
    section.ellipse(px, py, [3.4, 3.2], 0, (at, distance) => {
      if (distance < 1) section.eosin[at] = 1.25;
    });
  }
}

function develop(section: Section, stain: Stain, dice: Dice): Uint8Array {
  const pixels = new Uint8Array(section.size ** 2 * 3);
  for (let i = 0; i < section.size ** 2; i++) {
    const h = stain.haematoxylin * (section.haematoxylin[i] as number);
    const e = stain.eosin * (section.eosin[i] as number);
    const grain = dice.normal(0, 2.2);
    for (let c = 0; c < 3; c++) {
      const density = h * (HAEMATOXYLIN[c] as number) + e * (EOSIN[c] as number);
      pixels[3 * i + c] = Math.max(0, Math.min(255, 246 * Math.exp(-density) + grain));
    }
  }
  return pixels;
}

/** Section `index` of a corpus. */
export function pathologyPhantom(seed: number, index: number): ColourImage {
  const dice = new Dice(seed, "pathology", index);
  const stain: Stain = {
    haematoxylin: dice.between(0.95, 1.35),
    eosin: dice.between(0.75, 1.1),
    texture: new Texture(dice),
  };
  const section = new Section(224);
  stroma(section, stain, dice);
  if (dice.chance(0.25)) fatCells(section, dice);
  scatterCells(section, stain, dice, dice.chance(0.4) ? 30 + dice.below(60) : 0);
  const grade = dice.chance(0.4) ? dice.between(0.4, 1) : 0;
  const spacing = dice.between(68, 100);
  for (let y = dice.between(0, 40); y < section.size + 30; y += spacing) {
    for (let x = dice.between(0, 40); x < section.size + 30; x += spacing) {
      if (dice.chance(0.18)) continue;
      const radius = spacing * dice.between(0.36, 0.5);
      gland(section, stain, dice, x + dice.normal(0, 7), y + dice.normal(0, 7), radius, grade);
    }
  }
  if (dice.chance(0.6)) vessel(section, dice);
  return { width: section.size, height: section.size, pixels: develop(section, stain, dice) };
}
