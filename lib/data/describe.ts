/**
 * What an input file or a store is, as `inspect` tells it.
 *
 * Statistics are over finite values, at the stored bit depth, after slope and intercept.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { InputKind } from "../batch.js";
import { packSchema } from "../config/pack.js";
import { MedcossError } from "../errors.js";
import { Bitmap } from "./bitmap.js";
import { type DescribedSeries, readSeriesFolder } from "./describe-series.js";
import { countSlide } from "./describe-slide.js";
import { DICOM } from "./formats/dicom/dataset.js";
import { frameCount } from "./formats/dicom/read.js";
import { detectFormats } from "./formats/index.js";
import { raster, readStored, type StoredImage } from "./formats/raster.js";
import type { DecodedVolume, DecodeOptions, Format, Table } from "./formats/types.js";
import { fileDigest } from "./shard.js";
import { openStore } from "./store.js";
import { indexPath, readIndex, type ShardEntry } from "./store-index.js";

export interface InputDescription {
  kind: InputKind;
  format: string;
  /** Images: height, width, channels. Volumes: z, y, x as stored. */
  shape?: number[];
  /** Tables: data rows. */
  rows?: number;
  columns?: string[];
  /** z, y, x as stored. */
  spacingMm?: number[];
  /** Directions in which the stored axes i, j, k run. */
  orientation?: string;
  dtype?: string;
  min?: number;
  max?: number;
  mean?: number;
  /** Folders of several DICOM series: all of them; the fields above are the first one's. */
  series?: DescribedSeries[];
}

export interface StoreModality {
  modality: string;
  kind: InputKind;
  train: number;
  validation: number;
  /** Records whose source has changed since. */
  retired: number;
  shape: number[];
  dtype: string;
  shards: number;
  bytes: number;
}

export interface StoreDescription {
  kind: "store";
  path: string;
  version: number;
  bytes: number;
  modalities: StoreModality[];
  tokenizer?: { digest: string; vocabulary: number };
  /** Whether all digests were compared. */
  verified: boolean;
}

/** Names that apply where no configuration was given; what `pack` would turn away for its size alone is described. */
export function inspectOptions(): DecodeOptions {
  const sources = [{ modality: "x", recipe: "xray" as const, path: "x" }];
  const limits = { pixels: 2 ** 29, voxels: 2 ** 31, fileBytes: 2 ** 40 };
  return packSchema.parse({ out: "x", sources, limits });
}

interface Statistics {
  min: number;
  max: number;
  mean: number;
}

/** Throws E_FILE_CONTENT where nothing can be learned from the values. */
function statistics(values: ArrayLike<number>, what: string): Statistics {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [sum, finite] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    finite++;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (finite === 0) throw new MedcossError("E_FILE_CONTENT", { problem: "no finite voxel" });
  if (min === max) throw new MedcossError("E_FILE_CONTENT", { problem: `a constant ${what}` });
  return { min, max, mean: sum / finite };
}

async function describeTable(format: string, table: Table): Promise<InputDescription> {
  let rows = 0;
  for await (const _ of table.rows()) rows++;
  return { kind: "text", format, rows, columns: table.columns };
}

function describeImage(
  format: string,
  { height, width, channels, dtype, pixels }: Omit<StoredImage, "format">,
): InputDescription {
  const shape = [height, width, channels];
  return { kind: "image2d", format, shape, dtype, ...statistics(pixels, "image") };
}

function describeVolume(format: string, volume: DecodedVolume): InputDescription {
  const { storedShape: shape, storedSpacingMm: spacingMm, orientation, dtype } = volume;
  const values = statistics(volume.voxels, "volume");
  return { kind: "volume3d", format, shape, spacingMm, orientation, dtype, ...values };
}

async function decodeAndDescribe(path: string, format: Format): Promise<InputDescription> {
  const options = inspectOptions();
  switch (format.kind) {
    case "text":
      return describeTable(format.name, await format.decode(path, options));
    case "image2d":
      return describeImage(format.name, await format.decode(path, options));
    case "volume3d":
      return describeVolume(format.name, await format.decode(path, options));
  }
}

/** The format that an input file is described by; throws E_FILE_UNSUPPORTED. */
export async function chooseFormat(path: string): Promise<Format> {
  const formats = await detectFormats(path);
  const kind = formats[0]?.name === DICOM && (await frameCount(path)) > 1 ? "volume3d" : undefined;
  const format = formats.find((one) => one.kind === kind) ?? formats[0];
  if (format) return format;
  const problem = "no known format";
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "anything", problem });
}

/** Describes one input file; throws what `pack` would reject it with, save for its size. */
export async function describeFile(path: string): Promise<InputDescription> {
  const format = await chooseFormat(path);
  if (format !== raster) return decodeAndDescribe(path, format);
  const slideName = path.toLowerCase().endsWith(".svs") ? "SVS" : undefined;
  const slide = await countSlide(path);
  if (!slide) {
    const image = await readStored(path, inspectOptions());
    return describeImage(slideName ?? image.format, image);
  }
  const { min, max } = slide;
  if (min === max) throw new MedcossError("E_FILE_CONTENT", { problem: "a constant image" });
  return { kind: "image2d", format: slideName ?? "TIFF", ...slide };
}

/** Describes a folder of DICOM series; undefined for another one. */
export async function describeFolder(path: string): Promise<InputDescription | undefined> {
  const found = await readSeriesFolder(path, inspectOptions());
  if (!found) return undefined;
  const described = describeVolume(DICOM, found.volume);
  return found.series.length > 1 ? { ...described, series: found.series } : described;
}

async function verify(
  path: string,
  modality: string,
  shards: readonly ShardEntry[],
): Promise<void> {
  for (const { file, sha256 } of shards) {
    if ((await fileDigest(join(path, modality, file))) === sha256) continue;
    const problem = `${modality}/${file} does not have its digest`;
    throw new MedcossError("E_STORE_CORRUPT", { path, problem });
  }
}

function countRetired(shards: readonly ShardEntry[]): number {
  return shards.reduce((sum, { retired, records }) => {
    return sum + (retired === undefined ? 0 : Bitmap.fromBase64(records, retired).count);
  }, 0);
}

/** Describes a store; with `verify` every shard is read and compared with its digest. */
export async function describeStore(
  path: string,
  options: { verify: boolean },
): Promise<StoreDescription> {
  await using store = await openStore(path);
  const index = await readIndex(path);
  const modalities: StoreModality[] = [];
  for (const [modality, { kind, record, shards }] of Object.entries(index.modalities)) {
    if (options.verify) await verify(path, modality, shards);
    const { train, validation } = store.info(modality);
    modalities.push({
      ...{ modality, kind, train, validation, retired: countRetired(shards) },
      ...{ shape: record.shape, dtype: record.dtype, shards: shards.length },
      bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    });
  }
  const tokenizer = await store.tokenizer();
  return {
    kind: "store",
    path,
    version: index.version,
    bytes: modalities.reduce((sum, { bytes }) => sum + bytes, 0),
    modalities,
    tokenizer: tokenizer && { digest: tokenizer.digest, vocabulary: tokenizer.vocabularySize },
    verified: options.verify,
  };
}

/** Whether there is a store at `path`. */
export async function isStore(path: string): Promise<boolean> {
  return stat(indexPath(path)).then(
    (found) => found.isFile(),
    () => false,
  );
}
