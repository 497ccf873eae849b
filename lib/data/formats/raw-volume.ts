/**
 * What formats with a header of text share: voxels as raw bytes, packed or not, in the same file or in another one.
 */
import { createReadStream, existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { pipeline, type Readable } from "node:stream";
import { createGunzip, createInflate } from "node:zlib";
import { MedcossError } from "../../errors.js";
import {
  type Affine,
  type NumberArray,
  orientationOf,
  spacingOf,
  type Triple,
  toCanonical,
} from "./orientation.js";
import { checkLimit, type DecodedVolume, type DecodeOptions } from "./types.js";

export type Packing = "raw" | "gzip" | "zlib";

type Make = new (buffer: ArrayBuffer) => NumberArray | BigInt64Array | BigUint64Array;

const makers: Record<string, [Make, number]> = {
  int8: [Int8Array, 1],
  uint8: [Uint8Array, 1],
  int16: [Int16Array, 2],
  uint16: [Uint16Array, 2],
  int32: [Int32Array, 4],
  uint32: [Uint32Array, 4],
  int64: [BigInt64Array, 8],
  uint64: [BigUint64Array, 8],
  float32: [Float32Array, 4],
  float64: [Float64Array, 8],
};

/** What a header says about the voxels. */
export interface RawLayout {
  format: string;
  /** One of `int8` to `float64`. */
  type: string;
  bigEndian: boolean;
  /** Voxels along stored axes i, j, k, the first one running fastest. */
  extent: Triple;
  /** From voxel numbers to millimetres; undefined where the file has none. */
  affine?: Affine;
  slope?: number;
  intercept?: number;
}

const HEADERS = /\.(hdr|mhd|nhdr)$/i;
const DATA = [".img", ".img.gz", ".raw", ".zraw", ".raw.gz"];

/** Files of a header's name that hold voxels; none for a file that is no header. */
export function dataBeside(header: string): string[] {
  if (!HEADERS.test(header)) return [];
  const stem = header.replace(HEADERS, "");
  return DATA.map((ending) => stem + ending).filter((path) => existsSync(path));
}

/** Whether a file holds the voxels of a header beside it. */
export function isDataOfHeader(path: string): boolean {
  const found = /^(.*?)\.(img|raw|zraw)(\.gz)?$/i.exec(path);
  if (!found) return false;
  return [".hdr", ".mhd", ".nhdr"].some((ending) => existsSync(found[1] + ending));
}

/** A data file beside its header; throws E_FILE_FORMAT for one that lies elsewhere or is missing. */
export function besides(header: string, name: string, format: string): string {
  const folder = dirname(resolve(header));
  const path = resolve(folder, name);
  const outside = !path.startsWith(folder + sep);
  if (!outside && existsSync(path)) return path;
  const problem = outside
    ? "its data lies outside its folder"
    : "the file of its voxels is missing";
  throw new MedcossError("E_FILE_FORMAT", { format, problem });
}

/** Bytes of the voxels; throws E_FILE_TOO_LARGE before memory is taken for them. */
export function layoutBytes(layout: RawLayout, { limits }: DecodeOptions): number {
  const { extent, format, type } = layout;
  const wide = makers[type]?.[1];
  if (wide === undefined) {
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem: `voxels of ${type}` });
  }
  if (!extent.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new MedcossError("E_FILE_FORMAT", { format, problem: `it claims the size ${extent}` });
  }
  const voxels = extent[0] * extent[1] * extent[2];
  checkLimit(voxels, limits.voxels, "voxels");
  return voxels * wide;
}

/** First byte of the voxels in a data file, of which a header says to skip `skip`; -1: they are its last bytes. */
export async function dataStart(path: string, skip: number, bytes: number): Promise<number> {
  return skip === -1 ? Math.max(0, (await stat(path)).size - bytes) : Math.max(0, skip);
}

function unpacked(raw: Readable, packing: Packing): Readable {
  if (packing === "raw") return raw;
  const unpacker = packing === "gzip" ? createGunzip() : createInflate();
  return pipeline(raw, unpacker, () => undefined);
}

/** `count` bytes from byte `start` on; what follows them is not looked at. */
export async function readBytes(
  path: string,
  start: number,
  count: number,
  packing: Packing,
  format: string,
): Promise<Uint8Array> {
  const out = new Uint8Array(count);
  const raw = createReadStream(path, { start, highWaterMark: 2 ** 18 });
  let done = 0;
  try {
    for await (const chunk of unpacked(raw, packing)) {
      const part = (chunk as Buffer).subarray(0, count - done);
      out.set(part, done);
      done += part.length;
      if (done === count) return out;
    }
  } finally {
    raw.destroy();
  }
  const problem = `it has ${done} of ${count} bytes of voxels`;
  throw new MedcossError("E_FILE_FORMAT", { format, problem });
}

function numbers(bytes: Uint8Array, { type, bigEndian }: RawLayout): NumberArray {
  const [make, wide] = makers[type] as [Make, number];
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bigEndian && wide === 2) view.swap16();
  if (bigEndian && wide === 4) view.swap32();
  if (bigEndian && wide === 8) view.swap64();
  const values = new make(bytes.buffer as ArrayBuffer);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Float64Array.from(values, Number);
  }
  return values;
}

/** The volume in canonical orientation. */
export function volumeOf(layout: RawLayout, bytes: Uint8Array): DecodedVolume {
  const { extent, affine, slope = 1, intercept = 0, type: dtype } = layout;
  const spacingMm = affine && spacingOf(affine);
  const orientation = affine && orientationOf(affine);
  const canonical = toCanonical({
    voxels: numbers(bytes, layout),
    extent,
    stride: [1, extent[0], extent[0] * extent[1]],
    spacingMm,
    orientation: orientation ?? "LPS",
    slope,
    intercept,
  });
  return {
    kind: "volume3d",
    ...canonical,
    orientation,
    storedShape: [...extent].reverse() as Triple,
    storedSpacingMm: spacingMm && ([...spacingMm].reverse() as Triple),
    dtype,
  };
}
