/**
 * CT (reference section 5): clip, voxels of the wanted size, tiles along the depth, and the network's size.
 */
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { DecodedVolume } from "../formats/types.js";
import {
  checkContent,
  checkSize,
  cut,
  fitInPlane,
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
type Body = Volume<Int16Array>;

/** Clips in place; whole numbers that fit, as scanners give them, become int16. */
function clip(voxels: Float32Array, [low, high]: [number, number]): Float32Array | Int16Array {
  const whole = new Int16Array(voxels.length);
  let isWhole = true;
  for (let i = 0; i < voxels.length; i++) {
    const value = Math.min(high, Math.max(low, voxels[i] as number));
    voxels[i] = value;
    whole[i] = value;
    isWhole &&= whole[i] === value;
  }
  return isWhole ? whole : voxels;
}

/** As Python and NumPy round. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** Voxels along each axis at the wanted spacing: rounded along z, cut off in-plane, as published. */
function sizeAt(volume: DecodedVolume, spacing: Shape, wanted: Shape): Shape {
  const [depth, height, width] = volume.shape.map((n, axis) => {
    const ratio = (spacing[axis] as number) / (wanted[axis] as number);
    return n * (Math.round(ratio * 1e4) / 1e4);
  }) as Shape;
  return [roundHalfEven(depth), Math.floor(height), Math.floor(width)].map((n) =>
    Math.max(1, n),
  ) as Shape;
}

async function respaced(
  volume: DecodedVolume,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<Body> {
  if (!volume.spacingMm) {
    const problem = "a CT without the size of its voxels";
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "ct", problem });
  }
  const size = sizeAt(volume, volume.spacingMm, options.spacingMm);
  checkSize(size, options.spacingMm.join(" x "), limit);
  const voxels = clip(volume.voxels, options.clip);
  return resizeCentred({ voxels, shape: volume.shape }, size, options, "int16", resample);
}

/** The published first in-plane axis is x, which is the height where columns are. */
function cropBody(volume: Body, { bodyCrop, inPlane }: Options): Body {
  const [depth, height, width] = volume.shape;
  const { above, from, to } = bodyCrop;
  if ((inPlane === "columns" ? width : height) <= above) return volume;
  const at = (n: number, part: number) => Math.trunc(n * part);
  return cut(
    volume,
    [0, at(height, from), at(width, from)],
    [depth, at(height, to), at(width, to)],
  );
}

/** A tile at the network's size: stretched to it, or its middle as it is. */
async function fitted(part: Body, options: Options, resample: Resample): Promise<Body> {
  const [depth, height, width] = options.size;
  if (options.fit === "stretch") {
    return resizeItk(part, options.size, options.resize, "int16", resample);
  }
  const [air] = options.clip;
  const missing = depth - part.shape[0];
  const whole =
    missing > 0 ? cut(part, [0, 0, 0], [depth, part.shape[1], part.shape[2]], air) : part;
  return fitInPlane(whole, [height, width], air);
}

/** Records int16 [D,H,W] in Hounsfield units. `limit` bounds the voxels of the resampled volume. */
export async function prepareCt(
  volume: DecodedVolume,
  options: Options,
  limit: number,
  resample: Resample,
): Promise<Tile<Int16Array>[]> {
  checkContent(volume);
  const body = cropBody(await respaced(volume, options, limit, resample), options);
  const [depth] = body.shape;
  if (depth < options.minimumDepth) {
    const problem = `${depth} slices of ${options.spacingMm[0]} mm, at least ${options.minimumDepth} needed`;
    throw new MedcossError("E_FILE_CONTENT", { problem });
  }
  const tiles: Tile<Int16Array>[] = [];
  for (const start of tileStarts(depth, options.tileDepth, options.stride)) {
    const end = Math.min(depth, start + options.tileDepth);
    const part = slices(body, start, end);
    if (isConstant(part)) continue;
    const turned = options.inPlane === "columns" ? transposeInPlane(part) : part;
    const { voxels } = await fitted(turned, options, resample);
    if (!isConstant({ voxels, shape: options.size })) tiles.push({ voxels, slices: [start, end] });
  }
  return requireTiles(tiles);
}
