/**
 * What CT and MRI share: tiles along the depth, ITK's linear resize, and the order of the in-plane axes.
 */
import { MedcossError } from "../../errors.js";
import type { NativeBinding } from "../../native/types.js";

export type Shape = [number, number, number];

/** Trilinear resampling, as the addon does it. */
export type Resample = NativeBinding["resample"];

export interface Volume {
  /** [z,y,x]. */
  voxels: Float32Array;
  shape: Shape;
}

/** First slice of each tile: every `stride`, the last one moved back to end with the volume. */
export function tileStarts(depth: number, tile: number, stride: number): number[] {
  if (depth <= tile) return [0];
  const count = Math.ceil((depth - tile) / stride) + 1;
  return Array.from({ length: count }, (_, i) => Math.min(i * stride, depth - tile));
}

/** A box of a volume; ends are exclusive. */
export function cut(volume: Volume, from: Shape, to: Shape): Volume {
  const [, height, width] = volume.shape;
  const shape = [to[0] - from[0], to[1] - from[1], to[2] - from[2]] as Shape;
  const voxels = new Float32Array(shape[0] * shape[1] * shape[2]);
  let at = 0;
  for (let z = from[0]; z < to[0]; z++) {
    for (let y = from[1]; y < to[1]; y++, at += shape[2]) {
      const row = (z * height + y) * width;
      voxels.set(volume.voxels.subarray(row + from[2], row + to[2]), at);
    }
  }
  return { voxels, shape };
}

/** Slices from `from` to `to - 1`, sharing the volume's memory. */
export function slices(volume: Volume, from: number, to: number): Volume {
  const [, height, width] = volume.shape;
  const area = height * width;
  const voxels = volume.voxels.subarray(from * area, to * area);
  return { voxels, shape: [to - from, height, width] };
}

/** The first output index of each axis that lies outside the input in ITK's sense: over half a voxel past the end. */
function insideOf(input: Shape, size: Shape): Shape {
  return size.map((n, axis) => {
    const extent = input[axis] as number;
    return Math.min(n, Math.floor(((extent - 0.5) * n) / extent) + 1);
  }) as Shape;
}

function clearOutside(voxels: Float32Array, size: Shape, inside: Shape): void {
  const [depth, height, width] = size;
  if (inside.every((n, axis) => n === size[axis])) return;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const row = (z * height + y) * width;
      const kept = z < inside[0] && y < inside[1] ? inside[2] : 0;
      voxels.fill(0, row + kept, row + width);
    }
  }
}

/**
 * ITK's linear resize: spacing rescaled, origin kept, so output voxel i reads input position i n / m without the half
 * voxel of other conventions; outside the input there is 0.
 */
export async function resizeItk(volume: Volume, size: Shape, resample: Resample): Promise<Volume> {
  const scale = size.map((n, axis) => (volume.shape[axis] as number) / n) as Shape;
  const voxels = await resample({ ...volume, size, scale, shift: [0, 0, 0] });
  clearOutside(voxels, size, insideOf(volume.shape, size));
  return { voxels, shape: size };
}

/** Resize with voxel centres kept in place (scikit-image's convention), the nearest voxel outside. */
export async function resizeCentred(
  volume: Volume,
  size: Shape,
  resample: Resample,
): Promise<Volume> {
  const scale = size.map((n, axis) => (volume.shape[axis] as number) / n) as Shape;
  const shift = scale.map((step) => step / 2 - 0.5) as Shape;
  const voxels = await resample({ ...volume, size, scale, shift });
  return { voxels, shape: size };
}

/** Exchanges the two in-plane axes. */
export function transposeInPlane(volume: Volume): Volume {
  const [depth, height, width] = volume.shape;
  const voxels = new Float32Array(volume.voxels.length);
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) {
        voxels[at++] = volume.voxels[(z * height + y) * width + x] as number;
      }
    }
  }
  return { voxels, shape: [depth, width, height] };
}

/** Replaces what is not finite by the least finite value; throws E_FILE_CONTENT where nothing can be learned. */
export function checkContent({ voxels }: Volume): void {
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
  if (finite === voxels.length) return;
  for (let i = 0; i < voxels.length; i++) if (!Number.isFinite(voxels[i])) voxels[i] = low;
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
