/**
 * MRI (reference section 5): in-plane resize, the outer slices cut off, tiles, percentile clip and z-score per tile.
 */
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { DecodedVolume } from "../formats/types.js";
import { percentiles } from "./percentile.js";
import {
  checkContent,
  checkSize,
  fitInPlane,
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

type Options = Preprocessing["mri"];
type Scan = Volume<Float32Array>;

/** Clips to the percentiles and normalises with the population's standard deviation; undefined for a constant tile. */
function normalise(tile: Scan, [low, high]: [number, number]): Float32Array | undefined {
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

/** At the wanted spacing, nothing cut off yet. */
async function respaced(
  volume: DecodedVolume,
  wanted: Shape,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<Scan> {
  const { spacingMm, shape } = volume;
  if (!spacingMm) {
    const problem =
      "an MRI without the size of its voxels, which preprocessing.mri.spacingMm needs";
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "mri", problem });
  }
  const size = shape.map((n, axis) =>
    Math.max(1, Math.round((n * (spacingMm[axis] as number)) / (wanted[axis] as number))),
  ) as Shape;
  checkSize(size, wanted.join(" x "), limit);
  return resizeCentred(volume, size, options, "float32", resample);
}

/** The share of the slices that is kept, and the first of them. */
function middle<Slices extends Volume>(volume: Slices, options: Options): [Slices, number] {
  const [depth] = volume.shape;
  const first = Math.trunc(options.depthRange[0] * depth);
  const end = Math.trunc(options.depthRange[1] * depth);
  const needed = options.size[0];
  if (end - first < needed) {
    const problem = `${Math.max(0, end - first)} of ${depth} slices left, at least ${needed} needed`;
    throw new MedcossError("E_FILE_CONTENT", { problem });
  }
  return [slices(volume, first, end) as Slices, first];
}

/** The middle slices at the network's height and width, and the number of the first. */
async function fitted(
  volume: DecodedVolume,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<[Scan, number]> {
  const { low } = checkContent(volume);
  const [, height, width] = options.size;
  const turn = (scan: Scan) => (options.inPlane === "columns" ? transposeInPlane(scan) : scan);
  if (options.spacingMm) {
    const scan = await respaced(volume, options.spacingMm, options, limit, resample);
    const [kept, first] = middle(scan, options);
    return [fitInPlane(turn(kept), [height, width], low), first];
  }
  const [kept, first] = middle(volume as Scan, options);
  const size: Shape = [kept.shape[0], height, width];
  return [await resizeItk(turn(kept), size, options, "float32", resample), first];
}

/** Records float32 [D,H,W], mean 0 and standard deviation 1. `limit` bounds the voxels of a resampled volume. */
export async function prepareMri(
  volume: DecodedVolume,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<Tile<Float32Array>[]> {
  const [scan, first] = await fitted(volume, options, limit, resample);
  const tileDepth = options.size[0];
  const tiles: Tile<Float32Array>[] = [];
  for (const start of tileStarts(scan.shape[0], tileDepth, options.stride)) {
    const voxels = normalise(slices(scan, start, start + tileDepth), options.percentiles);
    if (voxels) tiles.push({ voxels, slices: [first + start, first + start + tileDepth] });
  }
  return requireTiles(tiles);
}
