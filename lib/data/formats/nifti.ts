/**
 * NIfTI-1 and NIfTI-2 in one file (.nii, .nii.gz) or in a pair (.hdr with .img or .img.gz): every real numeric type, either byte order, slope and intercept, one
 * volume. The header is read by nifti-reader-js; voxels are streamed, so a small file that unpacks to more than its
 * header says costs no memory.
 */
import { createReadStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { finished, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type NIFTI1, type NIFTI2, readHeader } from "nifti-reader-js";
import { MedcossError } from "../../errors.js";
import {
  type Affine,
  isUsable,
  type NumberArray,
  orientationOf,
  spacingOf,
  type Triple,
  toCanonical,
} from "./orientation.js";
import { dataBeside, readBytes } from "./raw-volume.js";
import {
  checkLimit,
  type DecodedVolume,
  type DecodeOptions,
  decoding,
  type VolumeFormat,
} from "./types.js";

const NAME = "NIfTI";
const HEADER_BYTES = 544;

type Header = NIFTI1 | NIFTI2;
type View = (buffer: ArrayBuffer, littleEndian: boolean) => NumberArray;

interface VoxelType {
  name: string;
  bytes: number;
  view: View;
}

function swap(buffer: ArrayBuffer, bytes: number): void {
  const view = Buffer.from(buffer);
  if (bytes === 2) view.swap16();
  if (bytes === 4) view.swap32();
  if (bytes === 8) view.swap64();
}

function typed(name: string, make: new (buffer: ArrayBuffer) => NumberArray): VoxelType {
  const bytes = new make(new ArrayBuffer(0)).BYTES_PER_ELEMENT;
  const view: View = (buffer, littleEndian) => {
    if (!littleEndian) swap(buffer, bytes);
    return new make(buffer);
  };
  return { name, bytes, view };
}

/** 64-bit integers as doubles, which hold every intensity that occurs. */
function wide(name: string, make: new (buffer: ArrayBuffer) => ArrayLike<bigint>): VoxelType {
  const view: View = (buffer, littleEndian) => {
    if (!littleEndian) swap(buffer, 8);
    return Float64Array.from(new make(buffer), Number);
  };
  return { name, bytes: 8, view };
}

/** By the header's datatype code. */
const types = new Map<number, VoxelType>([
  [2, typed("uint8", Uint8Array)],
  [4, typed("int16", Int16Array)],
  [8, typed("int32", Int32Array)],
  [16, typed("float32", Float32Array)],
  [64, typed("float64", Float64Array)],
  [256, typed("int8", Int8Array)],
  [512, typed("uint16", Uint16Array)],
  [768, typed("uint32", Uint32Array)],
  [1024, wide("int64", BigInt64Array)],
  [1280, wide("uint64", BigUint64Array)],
]);

/** Millimetres in the header's unit of length; a unit that is not named is taken for millimetres. */
const millimetres = new Map([
  [1, 1000],
  [3, 0.001],
]);

function fail(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem });
}

function unsupported(problem: string): never {
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem });
}

function parseHeader(bytes: Buffer): Header {
  const copy = new Uint8Array(HEADER_BYTES);
  copy.set(bytes.subarray(0, HEADER_BYTES));
  const version2 = copy[0] === 0x1c || copy[3] === 0x1c;
  copy.fill(0, version2 ? 540 : 348);
  // The library knows single files only; a pair's magic differs in this byte.
  const magic = version2 ? 5 : 345;
  if (copy[magic] === 0x69) copy[magic] = 0x2b;
  const header = readHeader(copy.buffer);
  return header ?? fail("its header is not one");
}

interface Layout {
  type: VoxelType;
  extent: Triple;
  /** First byte of the voxels. */
  start: number;
  bytes: number;
}

function layoutOf(header: Header, options: DecodeOptions, least = 348): Layout {
  const type = types.get(header.datatypeCode);
  if (!type) unsupported(`NIfTI datatype ${header.datatypeCode}`);
  const rank = header.dims[0] as number;
  if (!(rank >= 1 && rank <= 7)) fail(`it claims ${rank} axes`);
  const extents = [1, 2, 3, 4, 5, 6, 7].map((axis) =>
    axis <= rank ? (header.dims[axis] as number) : 1,
  );
  if (!extents.every((n) => Number.isSafeInteger(n) && n >= 1))
    fail(`it claims the size ${extents}`);
  const [x, y, z, ...more] = extents as [number, number, number, ...number[]];
  const volumes = more.reduce((a, b) => a * b, 1);
  checkLimit(x * y * z, options.limits.voxels, "voxels");
  if (volumes !== 1) unsupported(`${volumes} volumes in one file`);
  const start = header.vox_offset;
  if (!(start >= least && start <= options.limits.fileBytes)) fail(`its voxels begin at ${start}`);
  return { type, extent: [x, y, z], start: Math.floor(start), bytes: x * y * z * type.bytes };
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(2);
    await file.read(head, 0, 2, 0);
    return head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    await file.close();
  }
}

async function openContent(path: string): Promise<Readable> {
  const packed = await isGzip(path);
  const raw = createReadStream(path, { highWaterMark: 2 ** 18 });
  if (!packed) return raw;
  const content = raw.pipe(createGunzip({ chunkSize: 2 ** 18 }));
  finished(raw, (error) => error && content.destroy(error));
  content.on("close", () => raw.destroy());
  return content;
}

/** The header of a pair, and the voxels of the file beside it. */
async function readPair(path: string, options: DecodeOptions) {
  const head = await readFile(path);
  if (head.length < 348) fail(`it has ${head.length} bytes`);
  const header = parseHeader(head);
  const layout = layoutOf(header, options, 0);
  const beside = dataBeside(path)[0] ?? fail("the file of its voxels is missing");
  const packing = beside.toLowerCase().endsWith(".gz") ? "gzip" : "raw";
  const voxels = await readBytes(beside, layout.start, layout.bytes, packing, NAME);
  return { header, layout, voxels };
}

/** Header and voxels in one pass; nothing after the voxels is looked at. */
async function readContent(path: string, options: DecodeOptions) {
  let head = Buffer.alloc(0);
  let found: { header: Header; layout: Layout; voxels: Uint8Array } | undefined;
  let position = 0;
  const begin = () => {
    const header = parseHeader(head);
    const layout = layoutOf(header, options);
    found = { header, layout, voxels: new Uint8Array(layout.bytes) };
    return found;
  };
  const place = (chunk: Buffer) => {
    const { layout, voxels } = found ?? begin();
    const skip = Math.max(0, layout.start - position);
    const part = chunk.subarray(skip, skip + layout.bytes);
    const at = position + skip - layout.start;
    if (at < layout.bytes) voxels.set(part.subarray(0, layout.bytes - at), at);
    position += chunk.length;
  };
  for await (const chunk of await openContent(path)) {
    if (!found) {
      head = Buffer.concat([head, chunk as Buffer]);
      if (head.length < HEADER_BYTES) continue;
      place(head);
    } else place(chunk as Buffer);
    if (found && position >= found.layout.start + found.layout.bytes + 2 ** 16) break;
  }
  if (!found && head.length >= 348) place(head);
  if (!found) fail(`it has ${head.length} bytes`);
  const { layout } = found;
  if (position < layout.start + layout.bytes) {
    fail(`it ends after ${position} of ${layout.start + layout.bytes} bytes`);
  }
  return found;
}

/** The quaternion's matrix, where rounding made its norm exceed 1 and the library gives no number. */
function quaternionAffine(header: Header): Affine {
  const { quatern_b: b, quatern_c: c, quatern_d: d } = header;
  const norm = Math.hypot(b, c, d);
  const [x, y, z] = [b / norm, c / norm, d / norm];
  const [dx, dy, dz] = header.pixDims.slice(1, 4) as Triple;
  const k = (header.pixDims[0] as number) < 0 ? -dz : dz;
  return [
    [(2 * x * x - 1) * dx, 2 * x * y * dy, 2 * x * z * k],
    [2 * x * y * dx, (2 * y * y - 1) * dy, 2 * y * z * k],
    [2 * x * z * dx, 2 * y * z * dy, (2 * z * z - 1) * k],
  ];
}

/** The matrix of a file; without a usable one the axes that nibabel takes for it. */
function affineOf(header: Header): Affine {
  const known = header.qform_code > 0 || header.sform_code > 0;
  if (known && isUsable(header.affine)) return header.affine;
  if (header.qform_code > 0) {
    const rotation = quaternionAffine(header);
    if (isUsable(rotation)) return rotation;
  }
  const edge = [1, 2, 3].map((axis) => Math.abs(header.pixDims[axis] as number) || 1) as Triple;
  return [
    [-edge[0], 0, 0, 0],
    [0, edge[1], 0, 0],
    [0, 0, edge[2], 0],
  ];
}

async function decode(path: string, options: DecodeOptions): Promise<DecodedVolume> {
  const read = path.toLowerCase().endsWith(".hdr") ? readPair : readContent;
  const { header, layout, voxels } = await read(path, options);
  const { type, extent } = layout;
  const affine = affineOf(header);
  const orientation = orientationOf(affine);
  const unit = millimetres.get(header.xyzt_units & 7) ?? 1;
  const spacing = spacingOf(affine).map((edge) => edge * unit) as Triple;
  const { scl_slope: slope, scl_inter: intercept } = header;
  const scaled = Number.isFinite(slope) && slope !== 0;
  const canonical = toCanonical({
    voxels: type.view(voxels.buffer as ArrayBuffer, header.littleEndian),
    extent,
    stride: [1, extent[0], extent[0] * extent[1]],
    spacingMm: spacing,
    orientation,
    slope: scaled ? slope : 1,
    intercept: scaled && Number.isFinite(intercept) ? intercept : 0,
  });
  return {
    kind: "volume3d",
    ...canonical,
    orientation,
    storedShape: [...extent].reverse() as Triple,
    storedSpacingMm: [...spacing].reverse() as Triple,
    dtype: type.name,
  };
}

export const nifti: VolumeFormat = {
  name: NAME,
  kind: "volume3d",
  endings: [".nii", ".nii.gz", ".hdr"],
  matches: (head) =>
    ["n+1\0", "n+2\0", "ni1\0", "ni2\0"].some((magic) => {
      const at = magic[2] === "1" ? 344 : 4;
      return head.toString("latin1", at, at + 4) === magic;
    }),
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
