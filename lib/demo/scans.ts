/**
 * CT and MRI phantoms as scanners would give them: tissue values, shading, noise, 16-bit integers.
 *
 * Invariant: CT is in Hounsfield units within -1024 and 3071; MRI is not negative.
 */
import { Dice } from "./dice.js";
import type { Grid, Vector } from "./grid.js";
import { headPhantom, Tissue } from "./head.js";
import { NOISE_MASK, whiteNoise } from "./noise.js";
import { torsoPhantom } from "./torso.js";

/** Voxels of a scan, x fastest. */
export interface Scan {
  size: Vector;
  spacing: Vector;
  voxels: Int16Array;
}

type Values = Record<keyof typeof Tissue, number>;

const hounsfield: Values = {
  air: -1005,
  skin: 30,
  fat: -95,
  muscle: 55,
  bone: 1150,
  marrow: 420,
  fluid: 7,
  grey: 39,
  white: 29,
  deepGrey: 38,
  lesion: 66,
  eye: 12,
  lens: 75,
};

/** Signal with T1 weighting: fat and white matter bright, fluid dark. */
const t1: Values = {
  air: 8,
  skin: 420,
  fat: 900,
  muscle: 330,
  bone: 60,
  marrow: 560,
  fluid: 130,
  grey: 440,
  white: 640,
  deepGrey: 520,
  lesion: 300,
  eye: 150,
  lens: 380,
};

/** Signal with T2 weighting: fluid bright, white matter darker than grey. */
const t2: Values = {
  air: 8,
  skin: 260,
  fat: 560,
  muscle: 180,
  bone: 50,
  marrow: 330,
  fluid: 980,
  grey: 480,
  white: 330,
  deepGrey: 400,
  lesion: 820,
  eye: 940,
  lens: 150,
};

function fill(grid: Grid, tissues: Uint8Array, values: Values): void {
  const table = new Float32Array(Object.keys(Tissue).length);
  for (const [name, tissue] of Object.entries(Tissue)) table[tissue] = values[name as keyof Values];
  for (let i = 0; i < tissues.length; i++) grid.data[i] = table[tissues[i] as number] as number;
  grid.blur();
}

/** Adds noise of one strength and rounds. */
function digitise(grid: Grid, dice: Dice, strength: number): Scan {
  const noise = whiteNoise(dice);
  const voxels = new Int16Array(grid.data.length);
  const width = grid.size[0];
  for (let row = 0; row < voxels.length; row += width) {
    const offset = dice.word() & NOISE_MASK;
    for (let i = 0; i < width; i++) {
      const value =
        (grid.data[row + i] as number) + strength * (noise[(offset + i) & NOISE_MASK] as number);
      voxels[row + i] = Math.max(-1024, Math.min(3071, Math.round(value)));
    }
  }
  return { size: grid.size, spacing: grid.spacing, voxels };
}

/** CT `index` of a corpus: torsos and heads in turn. */
export function ctScan(seed: number, index: number): Scan {
  if (index % 3 !== 2) {
    const dice = new Dice(seed, "ct-noise", index);
    return digitise(torsoPhantom(seed, index), dice, dice.between(9, 18));
  }
  const { grid, tissues, dice } = headPhantom(
    seed,
    "ct-head",
    index,
    [160, 192, 50],
    [1.2, 1.2, 2.5],
  );
  fill(grid, tissues, hounsfield);
  return digitise(grid, dice, dice.between(3, 6));
}

/** Slow shading over the volume, as receive coils cause it. */
function shade(grid: Grid, dice: Dice): void {
  const slope: Vector = [dice.normal(0, 0.12), dice.normal(0, 0.12), dice.normal(0, 0.1)];
  const bow = dice.between(0, 0.25);
  const half = grid.size.map((n, i) => (n * (grid.spacing[i] as number)) / 2) as [
    number,
    number,
    number,
  ];
  const gain = dice.between(0.8, 1.3);
  grid.paint([0, 0, 0], [1e4, 1e4, 1e4], (x, y, z, old) => {
    const [u, v, w] = [x / half[0], y / half[1], z / half[2]];
    const field = slope[0] * u + slope[1] * v + slope[2] * w + bow * (u * u + v * v - 0.5);
    return old * gain * Math.exp(field);
  });
}

/** MRI `index` of a corpus: heads, two in three with T1 weighting. */
export function mriScan(seed: number, index: number): Scan {
  const size: Vector = [128, 160, 46];
  const spacing: Vector = [1.4, 1.4, 3.2];
  const { grid, tissues, dice } = headPhantom(seed, "mri-head", index, size, spacing);
  fill(grid, tissues, index % 3 === 2 ? t2 : t1);
  shade(grid, dice);
  const scan = digitise(grid, dice, dice.between(12, 26));
  for (let i = 0; i < scan.voxels.length; i++) scan.voxels[i] = Math.abs(scan.voxels[i] as number);
  return scan;
}
