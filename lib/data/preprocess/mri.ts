/**
 * MRI (reference section 5): in-plane resize, the outer slices cut off, tiles, percentile clip and z-score per tile.
 */
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { DecodedVolume } from "../formats/types.js";
import { percentiles } from "./percentile.js";
import {
  checkContent,
  type Resample,
  requireTiles,
  resizeItk,
  slices,
  type Tile,
  tileStarts,
  transposeInPlane,
  type Volume,
} from "./volume.js";

type Options = Preprocessing["mri"];

/** Clips to the percentiles and normalises with the population's standard deviation; undefined for a constant tile. */
function normalise(tile: Volume, [low, high]: [number, number]): Float32Array | undefined {
  const [least, most] = percentiles(tile.voxels, [low, high]) as [number, number];
  const { length } = tile.voxels;
  const out = new Float32Array(length);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const value = Math.min(most, Math.max(least, tile.voxels[i] as number));
    out[i] = value;
    sum += value;
  }
  const mean = sum / length;
  let squares = 0;
  for (let i = 0; i < length; i++) squares += ((out[i] as number) - mean) ** 2;
  const deviation = Math.sqrt(squares / length);
  if (!(deviation > 0)) return undefined;
  for (let i = 0; i < length; i++) out[i] = ((out[i] as number) - mean) / deviation;
  return out;
}

/** Records float32 [D,H,W], mean 0 and standard deviation 1. */
export async function prepareMri(
  volume: DecodedVolume,
  options: Options,
  resample: Resample,
): Promise<Tile<Float32Array>[]> {
  checkContent(volume);
  const [tileDepth, height, width] = options.size;
  const stored = volume.shape[0];
  const first = Math.trunc(options.depthRange[0] * stored);
  const end = Math.trunc(options.depthRange[1] * stored);
  if (end - first < tileDepth) {
    const problem = `${Math.max(0, end - first)} of ${stored} slices left, at least ${tileDepth} needed`;
    throw new MedcossError("E_FILE_CONTENT", { problem });
  }
  const kept = slices(volume, first, end);
  const turned = options.inPlane === "columns" ? transposeInPlane(kept) : kept;
  const resized = await resizeItk(turned, [end - first, height, width], resample);
  const tiles: Tile<Float32Array>[] = [];
  for (const start of tileStarts(end - first, tileDepth, options.stride)) {
    const voxels = normalise(slices(resized, start, start + tileDepth), options.percentiles);
    if (voxels) tiles.push({ voxels, slices: [first + start, first + start + tileDepth] });
  }
  return requireTiles(tiles);
}
