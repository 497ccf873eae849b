/**
 * What CT and MRI share: tiles along the depth, resizing in the conventions of ITK and of scikit-image, and the order of
 * the in-plane axes.
 */
import { MedcossError } from "../../errors.js";
import type { NativeBinding } from "../../native/types.js";

export type Shape = [number, number, number];

/** Resampling, as the addon does it. */
export type Resample = NativeBinding["resample"];

export interface Volume<Voxels extends Float32Array | Int16Array = Float32Array | Int16Array> {
  /** [z,y,x]. */
  voxels: Voxels;
  shape: Shape;
}

/** What records of volumes are made of. */
type ElementType = "float32" | "int16";
type ArrayOf<Type extends ElementType> = Type extends "int16" ? Int16Array : Float32Array;

/** How values between voxels are found. */
export interface Sampling {
  interpolation: "linear" | "bspline";
  /** Whether an axis is smoothed before it shrinks. */
  antialias: boolean;
}

/** First slice of each tile: every `stride`, the last one moved back to end with the volume. */
export function tileStarts(depth: number, tile: number, stride: number): number[] {
  if (depth <= tile) return [0];
  const count = Math.ceil((depth - tile) / stride) + 1;
  return Array.from({ length: count }, (_, i) => Math.min(i * stride, depth - tile));
}

function like<Voxels extends Float32Array | Int16Array>(voxels: Voxels, length: number): Voxels {
  const made = voxels instanceof Int16Array ? new Int16Array(length) : new Float32Array(length);
  return made as Voxels;
}

/** A box of a volume; ends are exclusive. What lies outside the volume has the value `outside`. */
export function cut<Voxels extends Float32Array | Int16Array>(
  volume: Volume<Voxels>,
  from: Shape,
  to: Shape,
  outside = 0,
): Volume<Voxels> {
  const [depth, height, width] = volume.shape;
  const shape = [to[0] - from[0], to[1] - from[1], to[2] - from[2]] as Shape;
  const voxels = like(volume.voxels, shape[0] * shape[1] * shape[2]);
  const [left, right] = [Math.max(0, from[2]), Math.min(width, to[2])];
  if (outside !== 0) voxels.fill(outside);
  for (let z = Math.max(0, from[0]); z < Math.min(depth, to[0]); z++) {
    for (let y = Math.max(0, from[1]); y < Math.min(height, to[1]); y++) {
      const row = (z * height + y) * width;
      const at = ((z - from[0]) * shape[1] + y - from[1]) * shape[2] + left - from[2];
      voxels.set(volume.voxels.subarray(row + left, row + right), at);
    }
  }
  return { voxels, shape };
}

/** Slices from `from` to `to - 1`, sharing the volume's memory. */
export function slices<Voxels extends Float32Array | Int16Array>(
  volume: Volume<Voxels>,
  from: number,
  to: number,
): Volume<Voxels> {
  const [, height, width] = volume.shape;
  const area = height * width;
  const voxels = volume.voxels.subarray(from * area, to * area) as Voxels;
  return { voxels, shape: [to - from, height, width] };
}

function scaleOf(from: Shape, to: Shape): Shape {
  return to.map((n, axis) => (from[axis] as number) / n) as Shape;
}

/**
 * ITK's resize: spacing rescaled, origin kept, so output voxel i reads input position i n / m without the half voxel of
 * other conventions. From half a voxel past the last centre on there is 0.
 */
export async function resizeItk<Type extends ElementType>(
  { voxels, shape }: Volume,
  size: Shape,
  { interpolation, antialias }: Sampling,
  dtype: Type,
  resample: Resample,
): Promise<Volume<ArrayOf<Type>>> {
  const boundary = interpolation === "bspline" ? "mirror" : "nearest";
  const grid = { size, scale: scaleOf(shape, size), shift: [0, 0, 0] as Shape };
  const found = await resample({
    ...{ voxels, shape, ...grid, interpolation, antialias, boundary, outside: 0, dtype },
  });
  return { voxels: found, shape: size };
}

/**
 * scikit-image's resize: the volume's ends are kept in place, it mirrors at the outermost centres, and values stay between
 * its least and greatest.
 */
export async function resizeCentred<Type extends ElementType>(
  { voxels, shape }: Volume,
  size: Shape,
  { interpolation, antialias }: Sampling,
  dtype: Type,
  resample: Resample,
): Promise<Volume<ArrayOf<Type>>> {
  const scale = scaleOf(shape, size);
  const grid = { size, scale, shift: scale.map((step) => step / 2 - 0.5) as Shape };
  const found = await resample({
    ...{ voxels, shape, ...grid, interpolation, antialias, dtype },
    ...{ boundary: "mirror", keepRange: true },
  });
  return { voxels: found, shape: size };
}

/** Edge of the squares in which axes are exchanged, so that what is read and what is written both stay in the cache. */
const SQUARE = 32;

/** Exchanges the two in-plane axes. */
export function transposeInPlane<Voxels extends Float32Array | Int16Array>(
  volume: Volume<Voxels>,
): Volume<Voxels> {
  const [depth, height, width] = volume.shape;
  const from: Float32Array | Int16Array = volume.voxels;
  const voxels = like(volume.voxels, from.length);
  const to: Float32Array | Int16Array = voxels;
  for (let slice = 0; slice < from.length; slice += height * width) {
    for (let top = 0; top < height; top += SQUARE) {
      const bottom = Math.min(height, top + SQUARE);
      for (let left = 0; left < width; left += SQUARE) {
        const right = Math.min(width, left + SQUARE);
        for (let x = left; x < right; x++) {
          for (let y = top; y < bottom; y++) {
            to[slice + x * height + y] = from[slice + y * width + x] as number;
          }
        }
      }
    }
  }
  return { voxels, shape: [depth, width, height] };
}

/** Cuts the middle of every slice out, filled up with `outside` where a slice is smaller. */
export function fitInPlane<Voxels extends Float32Array | Int16Array>(
  volume: Volume<Voxels>,
  [height, width]: [number, number],
  outside: number,
): Volume<Voxels> {
  const top = Math.floor((volume.shape[1] - height) / 2);
  const left = Math.floor((volume.shape[2] - width) / 2);
  const [depth] = volume.shape;
  return cut(volume, [0, top, left], [depth, top + height, left + width], outside);
}

/** Replaces what is not finite by the least finite value; throws E_FILE_CONTENT where nothing can be learned. */
export function checkContent({ voxels }: Volume): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let finite = 0;
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i] as number;
    if (!Number.isFinite(value)) continue;
    finite++;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (finite === 0) throw new MedcossError("E_FILE_CONTENT", { problem: "no finite voxel" });
  if (low === high) throw new MedcossError("E_FILE_CONTENT", { problem: "a constant volume" });
  if (finite === voxels.length) return { low, high };
  for (let i = 0; i < voxels.length; i++) if (!Number.isFinite(voxels[i])) voxels[i] = low;
  return { low, high };
}

/** Throws E_FILE_TOO_LARGE where a volume is to be resampled to more voxels than `limit`. */
export function checkSize(size: Shape, spacing: string, limit: number): void {
  const voxels = size[0] * size[1] * size[2];
  if (voxels <= limit) return;
  const claimed = `${voxels} voxels of ${spacing} mm`;
  throw new MedcossError("E_FILE_TOO_LARGE", { claimed, limit: `${limit} voxels` });
}

/** Whether all voxels are equal. */
export function isConstant({ voxels }: Volume): boolean {
  let i = 1;
  while (i < voxels.length && voxels[i] === voxels[0]) i++;
  return i >= voxels.length;
}

/** One record of a volume, with the slices it was cut from. */
export interface Tile<T> {
  voxels: T;
  /** First and last-but-one slice, in the volume that was tiled. */
  slices: [number, number];
}

/** Throws E_FILE_CONTENT where no tile was left. */
export function requireTiles<T>(tiles: Tile<T>[]): Tile<T>[] {
  if (tiles.length > 0) return tiles;
  throw new MedcossError("E_FILE_CONTENT", { problem: "every tile is constant" });
}
