/**
 * A CT of chest and belly in Hounsfield units: skin, fat, muscle, bones, lungs with vessels, and organs.
 *
 * Invariant: z = 0 is the top of the diaphragm; a volume shows a window of a body of constant plan. Values stay within
 * -1024 and 2000.
 */
import { Dice } from "./dice.js";
import { Grid, type Vector } from "./grid.js";
import { Texture } from "./noise.js";

interface Body {
  /** Half width and half depth of the trunk. */
  half: [number, number];
  fat: number;
  /** Blood after contrast medium, or without. */
  blood: number;
  /** Height of the window's middle over the diaphragm. */
  level: number;
  texture: Texture;
}

const EXPONENT = 2.5;

/** |v| to the power of EXPONENT, without the slow general power. */
const power = (v: number) => v * v * Math.sqrt(Math.abs(v));

/** Trunk: skin, fat, muscle with ribs, and the fat between organs. */
function paintTrunk(grid: Grid, body: Body): void {
  const { texture } = body;
  const [a, b] = body.half;
  const inside = (radius: number) => radius ** EXPONENT;
  const skin = inside(1 - 2 / b);
  const fat = inside(1 - body.fat / b);
  const muscle = inside(1 - (body.fat + 16) / b);
  const ring = [inside(1 - (body.fat + 5) / b), inside(1 - (body.fat + 13) / b)] as const;
  const cavity = inside(1 - (body.fat + 20) / b);
  const reach: Vector = [1e4, 1e4, 1e4];
  grid.paint([0, 0, 0], reach, (x, y, z) => {
    const q = power(x / a) + power(y / b);
    if (q > 1) return -1010;
    if (q > skin) return 10;
    if (q > fat) return -105;
    if (q < cavity) return -95;
    const height = z + body.level;
    if (height > -60 && q < ring[0] && q > ring[1]) {
      const slope = height - 0.45 * y + 0.1 * Math.abs(x);
      const phase = Math.abs((((slope + 3000) / 26) % 1) - 0.5) * 26;
      if (phase < 5.5) return phase < 3.5 ? 330 : 650;
    }
    if (q > muscle)
      return 52 + 25 * texture.at(x / 6, y / 6) * (texture.at(y / 14, z / 14) > 0.2 ? 4 : 1);
    return -70;
  });
}

/** Lungs over a dome, darker towards the front. */
function paintLungs(grid: Grid, body: Body): void {
  const [a, b] = body.half;
  for (const side of [-1, 1]) {
    const centre: Vector = [side * a * 0.44, -2, 112 - body.level];
    const radii: Vector = [a * 0.36, b * 0.74, 150];
    grid.paint(centre, radii, (x, y, z, old) => {
      const u = (x - centre[0]) / radii[0];
      const v = (y - centre[1]) / radii[1];
      const w = (z - centre[2]) / radii[2];
      const q = u * u + v * v + w * w * w * w;
      const dome = -75 * (u * u + v * v) + (side > 0 ? -12 : 0);
      const inside = Math.min((1 - q) * 22, z + body.level - dome);
      if (inside <= 0) return old;
      const air = -865 + 0.35 * y + 25 * body.texture.at3(x / 5, y / 5, z / 5);
      return old + Math.min(1, inside / 2) * (air - old);
    });
  }
}

/** Vessels that branch from the root of each lung. */
function paintLungVessels(grid: Grid, body: Body, dice: Dice): void {
  const grow = (from: Vector, direction: Vector, radius: number, depth: number) => {
    const length = dice.between(15, 27) * (0.6 + radius / 8);
    const to: Vector = [
      from[0] + direction[0] * length,
      from[1] + direction[1] * length,
      from[2] + direction[2] * length,
    ];
    const limit = body.half[0] * 0.74;
    if (Math.abs(to[0]) > limit || Math.abs(to[1]) > body.half[1] * 0.66) return;
    if (to[2] + body.level < 10) return;
    grid.tube(from, to, radius, 30 + body.blood * 0.3);
    if (depth === 0) return;
    for (let branch = 0; branch < 2; branch++) {
      const turn = () => dice.normal(0, 0.36);
      const next: Vector = [direction[0] + turn(), direction[1] + turn(), direction[2] + turn()];
      const norm = Math.hypot(...next) || 1;
      grow(to, [next[0] / norm, next[1] / norm, next[2] / norm], radius * 0.8, depth - 1);
    }
  };
  for (const side of [-1, 1]) {
    for (let trunk = 0; trunk < 8; trunk++) {
      const up = dice.between(-1.1, 1.1);
      const back = dice.between(-0.7, 0.8);
      const norm = Math.hypot(1, up, back);
      const root: Vector = [side * 32, 8, 95 - body.level];
      grow(root, [side / norm, back / norm, up / norm], dice.between(4.5, 6.5), 5);
    }
  }
}

/** Heart with its chambers, great vessels, windpipe and gullet. */
function paintChest(grid: Grid, body: Body, dice: Dice): void {
  const z = (height: number) => height - body.level;
  const { blood } = body;
  const size = dice.between(0.9, 1.15);
  grid.ellipsoid([4, -14, z(150)], [30, 34, 95], 35, 0, 4);
  grid.ellipsoid([22, -24, z(42)], [58 * size, 44 * size, 50 * size], 60, 0.5, 2);
  grid.ellipsoid([38, -16, z(36)], [27 * size, 22 * size, 34 * size], blood, 0.6, 4);
  grid.ellipsoid([-6, -30, z(40)], [26 * size, 24 * size, 32 * size], blood * 0.9, 0.4, 4);
  grid.ellipsoid([4, 8, z(64)], [32 * size, 18 * size, 24], blood * 0.95, 0, 4);
  grid.tube([6, -16, z(85)], [-14, -22, z(140)], 15, blood);
  grid.tube([-14, -22, z(140)], [16, 30, z(152)], 13, blood);
  grid.tube([18, 38, z(150)], [14, 44, z(-60)], 12, blood);
  grid.tube([14, 44, z(-60)], [6, 40, z(-260)], 10, blood);
  grid.tube([-26, -14, z(60)], [-28, -16, z(170)], 9, blood * 0.8);
  grid.tube([-4, -4, z(105)], [34, 6, z(112)], 12, blood * 0.9);
  grid.tube([0, 6, z(115)], [0, 2, z(260)], 8.5, -990);
  grid.tube([0, 6, z(118)], [-30, 12, z(92)], 6.5, -980);
  grid.tube([0, 6, z(118)], [34, 14, z(88)], 6, -980);
  grid.tube([8, 24, z(-20)], [2, 24, z(240)], 7, 40);
}

/** Vertebrae with discs, canal and processes, and the breastbone. */
function paintSpine(grid: Grid, body: Body, dice: Dice): void {
  const y = body.half[1] * 0.56;
  const shift = dice.between(0, 30);
  grid.paint([0, y + 18, 0], [48, 46, 1e4], (x, py, z, old) => {
    const level = Math.abs((((z + body.level + shift + 3000) / 30) % 1) - 0.5) * 30;
    const v = py - y;
    const q = (x / 19) ** 2 + (v / 15) ** 2;
    if (q < 1)
      return level > 12.5
        ? 75
        : q > 0.78 || level > 11
          ? 480
          : 190 + 40 * body.texture.at3(x / 3, py / 3, z / 3);
    const canal = (x / 9) ** 2 + ((v - 24) / 8) ** 2;
    if (canal < 1) return canal < 0.4 ? 32 : 8;
    if (canal < 1.9 && level < 11) return 420;
    if (Math.abs(x) < 4 && v > 30 && v < 48 && level < 7) return 380;
    if (
      Math.abs(x) > 10 &&
      Math.abs(x) < 36 &&
      Math.abs(v - 22 - (Math.abs(x) - 10) * 0.25) < 4.5 &&
      level < 6
    )
      return 360;
    if (old > -500 && v > 12 && v < 44 && Math.abs(x) < 42 && Math.abs(x) > 5) return 56;
    return old;
  });
  const front = -body.half[1] + body.fat + 9;
  grid.ellipsoid([0, front, 110 - body.level], [17, 6, 100], 260, 0, 1.5);
}

/** Liver, spleen, stomach, kidneys, psoas muscles and bowel. */
function paintBelly(grid: Grid, body: Body, dice: Dice): void {
  const z = (height: number) => height - body.level;
  const [a, b] = body.half;
  const { blood, texture } = body;
  const enhanced = blood > 80;
  const liver = enhanced ? dice.between(95, 120) : dice.between(48, 65);
  const spleen = enhanced ? 118 : 50;
  for (let loop = 0; loop < 26; loop++) {
    const at: Vector = [
      dice.between(-0.6, 0.6) * a,
      dice.between(-0.62, 0.1) * b,
      z(dice.between(-290, -115)),
    ];
    const radius = dice.between(11, 19);
    grid.ellipsoid(at, [radius * 1.5, radius, radius], dice.between(20, 60), dice.between(0, 3), 2);
    if (dice.chance(0.5))
      grid.ellipsoid([at[0], at[1] - 3, at[2]], [radius, radius * 0.6, radius * 0.6], -900, 0, 2);
  }
  grid.ellipsoid([-a * 0.36, -4, z(-62)], [a * 0.46, b * 0.68, 82], liver, -0.15, 2);
  grid.ellipsoid([a * 0.06, -b * 0.36, z(-48)], [a * 0.36, b * 0.3, 46], liver, 0.2, 2);
  grid.ellipsoid([a * 0.6, b * 0.34, z(-52)], [24, 42, 46], spleen, 0.5, 2);
  grid.ellipsoid([a * 0.36, -b * 0.3, z(-54)], [42, 32, 52], 30, 0.4, 2);
  grid.ellipsoid([a * 0.36, -b * 0.42, z(-50)], [33, 17, 40], dice.chance(0.6) ? -960 : 15, 0.4, 2);
  for (const side of [-1, 1]) {
    const kidney: Vector = [side * 62, b * 0.32, z(-138 + side * 8)];
    grid.ellipsoid(kidney, [27, 31, 56], enhanced ? 190 : 34, side * 0.5, 2);
    grid.ellipsoid(
      [kidney[0] - side * 10, kidney[1] - 5, kidney[2]],
      [12, 14, 30],
      enhanced ? 60 : -20,
      0,
      3,
    );
    grid.ellipsoid([side * 38, b * 0.5, z(-230)], [20, 22, 110], 58, 0, 2);
  }
  for (let vessel = 0; vessel < 9; vessel++) {
    const from: Vector = [-20 + dice.normal(0, 8), 4, z(-60 + dice.normal(0, 12))];
    const to: Vector = [
      -a * dice.between(0.3, 0.6),
      dice.normal(-4, b * 0.22),
      z(dice.between(-110, -15)),
    ];
    grid.tube(from, to, dice.between(2.5, 5), enhanced ? blood * 0.95 : liver - 16);
  }
  if (dice.chance(0.35)) {
    const at: Vector = [
      -a * dice.between(0.25, 0.5),
      dice.normal(0, 16),
      z(dice.between(-100, -30)),
    ];
    const radius = dice.between(9, 20);
    grid.ellipsoid(at, [radius, radius, radius], enhanced ? 45 : 20, 0, 2);
  }
  grid.paint([0, 0, 0], [a * 0.8, b * 0.8, 1e4], (x, y, pz, old) =>
    old > 0 && old < 300 ? old + 9 * texture.at3(x / 7, y / 7, pz / 7) : old,
  );
}

/** The couch: a thin shell under the back. */
function paintCouch(grid: Grid, body: Body): void {
  const y = body.half[1] + 9;
  grid.paint([0, y + 6, 0], [190, 26, 1e4], (x, py, _z, old) => {
    const depth = py - y + 0.0006 * x * x;
    if (depth < 0 || depth > 14 || old > -900) return old;
    return depth < 2.5 || depth > 11.5 ? -180 : -930;
  });
}

/** Torso `index` of a corpus. */
export function torsoPhantom(seed: number, index: number): Grid {
  const dice = new Dice(seed, "torso", index);
  const half: [number, number] = [dice.between(150, 178), dice.between(100, 124)];
  const spacing = dice.pick([1.9, 2, 2.1]);
  const slices = 34 + 3 * dice.below(4);
  const grid = new Grid([184, 144, slices], [spacing, spacing, 3]);
  const body: Body = {
    half,
    fat: dice.between(9, 24),
    blood: dice.chance(0.6) ? dice.between(140, 260) : 42,
    level: dice.between(-130, 110),
    texture: new Texture(dice),
  };
  paintTrunk(grid, body);
  if (body.level + slices * 1.5 > -90) paintLungs(grid, body);
  if (body.level - slices * 1.5 < 10) paintBelly(grid, body, dice);
  if (body.level + slices * 1.5 > 0) {
    paintLungVessels(grid, body, dice);
    paintChest(grid, body, dice);
  }
  paintSpine(grid, body, dice);
  paintCouch(grid, body);
  grid.blur();
  return grid;
}
