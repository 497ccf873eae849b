/**
 * CT (reference section 5): clip, voxels of 1 mm, tiles of 24 slices, resize to the network's size.
 */
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { DecodedVolume } from "../formats/types.js";
import {
  checkContent,
  cut,
  isConstant,
  type Resample,
  requireTiles,
  resizeCentred,
  resizeItk,
  type Shape,
  slices,
  type Tile,
  tileStarts,
  transposeInPlane,
  type Volume,
} from "./volume.js";

type Options = Preprocessing["ct"];

function clip(voxels: Float32Array, [low, high]: [number, number]): void {
  for (let i = 0; i < voxels.length; i++) {
    voxels[i] = Math.min(high, Math.max(low, voxels[i] as number));
  }
}

function toInt16(voxels: Float32Array): Int16Array {
  const out = new Int16Array(voxels.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.round(voxels[i] as number);
  return out;
}

/** Voxels along each axis at the wanted spacing: rounded along z, cut off in-plane, as published. */
function sizeAt(volume: DecodedVolume, spacing: [number, number, number], wanted: number): Shape {
  const ratios = spacing.map((edge) => Math.round((edge / wanted) * 1e4) / 1e4) as Shape;
  const [depth, height, width] = volume.shape.map(
    (n, axis) => n * (ratios[axis] as number),
  ) as Shape;
  return [Math.round(depth), Math.floor(height), Math.floor(width)].map((n) =>
    Math.max(1, n),
  ) as Shape;
}

async function isotropic(
  volume: DecodedVolume,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<Volume> {
  if (!volume.spacingMm) {
    const problem = "a CT without the size of its voxels";
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "ct", problem });
  }
  const size = sizeAt(volume, volume.spacingMm, options.spacingMm);
  const voxels = size[0] * size[1] * size[2];
  if (voxels > limit) {
    const claimed = `${voxels} voxels of ${options.spacingMm} mm`;
    throw new MedcossError("E_FILE_TOO_LARGE", { claimed, limit: `${limit} voxels` });
  }
  const resized = await resizeCentred(volume, size, resample);
  for (let i = 0; i < resized.voxels.length; i++) {
    resized.voxels[i] = Math.round(resized.voxels[i] as number);
  }
  return resized;
}

function cropBody(volume: Volume, { above, from, to }: Options["bodyCrop"]): Volume {
  const [depth, height, width] = volume.shape;
  if (height <= above) return volume;
  const at = (n: number, part: number) => Math.trunc(n * part);
  return cut(
    volume,
    [0, at(height, from), at(width, from)],
    [depth, at(height, to), at(width, to)],
  );
}

/** Records int16 [D,H,W] in Hounsfield units. `limit` bounds the voxels of the resampled volume. */
export async function prepareCt(
  volume: DecodedVolume,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<Tile<Int16Array>[]> {
  checkContent(volume);
  clip(volume.voxels, options.clip);
  const resized = await isotropic(volume, options, limit, resample);
  const depth = resized.shape[0];
  if (depth < options.minimumDepth) {
    const problem = `${depth} slices of ${options.spacingMm} mm, at least ${options.minimumDepth} needed`;
    throw new MedcossError("E_FILE_CONTENT", { problem });
  }
  const body = cropBody(resized, options.bodyCrop);
  const tiles: Tile<Int16Array>[] = [];
  for (const start of tileStarts(depth, options.tileDepth, options.stride)) {
    const end = Math.min(depth, start + options.tileDepth);
    const part = slices(body, start, end);
    if (isConstant(part)) continue;
    const turned = options.inPlane === "columns" ? transposeInPlane(part) : part;
    const tile = await resizeItk(turned, options.size, resample);
    tiles.push({ voxels: toInt16(tile.voxels), slices: [start, end] });
  }
  return requireTiles(tiles);
}
