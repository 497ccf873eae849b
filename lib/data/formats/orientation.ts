/**
 * From the axes of a file to the one canonical orientation of volumes: [z,y,x] with x to the patient's left, y to the
 * back and z to the head (LPS, the order of axial DICOM slices), so a slice is upright as radiologists see it.
 */

export type Triple = [number, number, number];

/** Rows of a 3x4 or 4x4 matrix from voxel numbers to millimetres, x to the right, y to the front, z to the head. */
export type Affine = readonly (readonly number[])[];

const LETTERS = [
  ["L", "R"],
  ["P", "A"],
  ["I", "S"],
] as const;

const PERMUTATIONS: readonly Triple[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** Length of a voxel's edge along each stored axis. */
export function spacingOf(affine: Affine): Triple {
  const length = (axis: number) =>
    Math.hypot(...[0, 1, 2].map((row) => affine[row]?.[axis] ?? Number.NaN));
  return [length(0), length(1), length(2)];
}

/** Whether the matrix is one that volumes can have. */
export function isUsable(affine: Affine): boolean {
  return spacingOf(affine).every((edge) => Number.isFinite(edge) && edge > 0);
}

/** Letters of the directions in which stored axes i, j, k run: the assignment of world axes that fits best. */
export function orientationOf(affine: Affine): string {
  const spacing = spacingOf(affine);
  const cosine = (row: number, axis: number) =>
    (affine[row]?.[axis] as number) / (spacing[axis] as number);
  const fit = (rows: Triple) =>
    rows.reduce((sum, row, axis) => sum + Math.abs(cosine(row, axis)), 0);
  const best = PERMUTATIONS.reduce((a, b) => (fit(b) > fit(a) + 1e-9 ? b : a));
  return best.map((row, axis) => LETTERS[row]?.[cosine(row, axis) > 0 ? 1 : 0]).join("");
}

/** Numbers of any type that files hold. */
export type NumberArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export interface StoredVolume {
  voxels: NumberArray;
  /** Voxels along stored axes i, j, k. */
  extent: Triple;
  /** Distance in `voxels` between neighbours along i, j, k. */
  stride: Triple;
  spacingMm?: Triple;
  /** Three letters, as `orientationOf` gives them. */
  orientation: string;
  slope: number;
  intercept: number;
}

/** World axis (0 left-right, 1 front-back, 2 feet-head) of a letter. */
function worldAxis(letter: string): number {
  return LETTERS.findIndex((pair) => (pair as readonly string[]).includes(letter));
}

/** The volume in canonical orientation, with slope and intercept applied. */
export function toCanonical(stored: StoredVolume): {
  voxels: Float32Array;
  shape: Triple;
  spacingMm?: Triple;
} {
  const letters = [...stored.orientation];
  const axes = [2, 1, 0].map((world) => letters.findIndex((letter) => worldAxis(letter) === world));
  const shape = axes.map((axis) => stored.extent[axis]) as Triple;
  const steps = axes.map((axis) => {
    const forward = "LPS".includes(letters[axis] as string);
    return (stored.stride[axis] as number) * (forward ? 1 : -1);
  }) as Triple;
  let origin = 0;
  steps.forEach((step, i) => {
    if (step < 0) origin -= step * ((shape[i] as number) - 1);
  });
  const spacingMm = stored.spacingMm && (axes.map((axis) => stored.spacingMm?.[axis]) as Triple);
  return { voxels: gather(stored, shape, steps, origin), shape, spacingMm };
}

/** Puts the voxels from `from` on, `step` apart, into `row`. */
type FillRow = (row: Float32Array, from: number) => void;

/** Whole rows at once, several times as fast as voxel by voxel; for neighbours that stay as they are. */
function copiedRows(voxels: NumberArray, step: 1 | -1): FillRow {
  return (row, from) => {
    const first = step === 1 ? from : from - row.length + 1;
    row.set(voxels.subarray(first, first + row.length));
    if (step === -1) row.reverse();
  };
}

function scaledRows({ voxels, slope, intercept }: StoredVolume, step: number): FillRow {
  return (row, from) => {
    for (let x = 0, at = from; x < row.length; x++, at += step) {
      row[x] = (voxels[at] as number) * slope + intercept;
    }
  };
}

function gather(stored: StoredVolume, shape: Triple, steps: Triple, origin: number): Float32Array {
  const { voxels, slope, intercept } = stored;
  const [deeper, down, across] = steps;
  const [depth, height, width] = shape;
  const asStored = slope === 1 && intercept === 0;
  const fill =
    asStored && (across === 1 || across === -1)
      ? copiedRows(voxels, across)
      : scaledRows(stored, across);
  const out = new Float32Array(depth * height * width);
  let to = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++, to += width) {
      fill(out.subarray(to, to + width), origin + z * deeper + y * down);
    }
  }
  return out;
}
