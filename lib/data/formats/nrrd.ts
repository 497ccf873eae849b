/**
 * NRRD (.nrrd, .nhdr with a data file): raw, gzip or text, either byte order, in the spaces that medicine uses.
 */
import { open, readFile, stat } from "node:fs/promises";
import { MedcossError } from "../../errors.js";
import { type Affine, isUsable, type Triple } from "./orientation.js";
import {
  besides,
  dataStart,
  layoutBytes,
  type RawLayout,
  readBytes,
  volumeOf,
} from "./raw-volume.js";
import {
  checkLimit,
  type DecodedVolume,
  type DecodeOptions,
  decoding,
  type VolumeFormat,
} from "./types.js";

const NAME = "NRRD";
const HEADER_BYTES = 2 ** 16;
/** Text takes memory for each of its numbers. */
const TEXT_BYTES = 2 ** 26;

/** By the names that the format gives to one type. */
const types: Array<[RegExp, string]> = [
  [/^(signed char|int8(_t)?)$/, "int8"],
  [/^(unsigned char|uchar|uint8(_t)?)$/, "uint8"],
  [/^((signed )?short( int)?|int16(_t)?)$/, "int16"],
  [/^(unsigned short( int)?|ushort|uint16(_t)?)$/, "uint16"],
  [/^((signed )?int|int32(_t)?)$/, "int32"],
  [/^(unsigned int|uint|uint32(_t)?)$/, "uint32"],
  [/^((signed )?long long( int)?|longlong|int64(_t)?)$/, "int64"],
  [/^(unsigned long long( int)?|ulonglong|uint64(_t)?)$/, "uint64"],
  [/^float$/, "float32"],
  [/^double$/, "float64"],
];

/** Sign of each row that brings a space to right, front, head. */
const spaces: Record<string, Triple> = {
  "right-anterior-superior": [1, 1, 1],
  ras: [1, 1, 1],
  "left-anterior-superior": [-1, 1, 1],
  las: [-1, 1, 1],
  "left-posterior-superior": [-1, -1, 1],
  lps: [-1, -1, 1],
};

function fail(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem });
}

function unsupported(problem: string): never {
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem });
}

interface Header {
  fields: Map<string, string>;
  end: number;
}

/** Lines up to the empty one, or to the end of a header without data. */
async function readHeader(path: string): Promise<Header> {
  const file = await open(path, "r");
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await file.read(bytes, 0, HEADER_BYTES, 0);
    const text = bytes.toString("latin1", 0, bytesRead);
    const found = /\r?\n\r?\n/.exec(text);
    const end = found ? found.index + found[0].length : bytesRead;
    const lines = text.slice(0, end).split(/\r?\n/).slice(1);
    const fields = lines.flatMap((line) => {
      const at = /^([^:#]+):(?!=)(.*)$/.exec(line);
      return at
        ? [[(at[1] as string).trim().toLowerCase(), (at[2] as string).trim()] as const]
        : [];
    });
    return { fields: new Map(fields), end };
  } finally {
    await file.close();
  }
}

function vectors(text: string): number[][] {
  return [...text.matchAll(/\(([^)]*)\)/g)].map(([, inner]) =>
    (inner as string).split(",").map(Number),
  );
}

/** Undefined where the header has neither directions nor spacings. */
function affineOf(fields: Map<string, string>): Affine | undefined {
  const directions = vectors(fields.get("space directions") ?? "");
  if (directions.length === 3) {
    const space = fields.get("space")?.toLowerCase() ?? "left-posterior-superior";
    const signs = spaces[space] ?? unsupported(`the space ${space}`);
    const affine = signs.map((sign, row) =>
      directions.map((axis) => sign * (axis[row] ?? Number.NaN)),
    );
    return isUsable(affine) ? affine : fail("its directions are no directions");
  }
  const spacings = fields.get("spacings")?.split(/\s+/).map(Number);
  if (spacings?.length !== 3 || !spacings.every((edge) => edge > 0)) return undefined;
  return [0, 1, 2].map((row) => {
    const sign = row < 2 ? -1 : 1;
    return spacings.map((edge, axis) => (axis === row ? sign * edge : 0));
  });
}

function layoutOf({ fields }: Header): RawLayout {
  const axes = Number(fields.get("dimension"));
  if (axes !== 3) unsupported(`${axes} axes`);
  const type = fields.get("type")?.toLowerCase() ?? "";
  const extent = (fields.get("sizes") ?? "").split(/\s+/).map(Number);
  if (extent.length !== 3) fail("its header names no size");
  return {
    format: NAME,
    type:
      types.find(([names]) => names.test(type))?.[1] ??
      unsupported(`voxels of ${type || "no type"}`),
    bigEndian: fields.get("endian")?.toLowerCase() === "big",
    extent: extent as Triple,
    affine: affineOf(fields),
  };
}

async function readAscii(path: string, start: number, layout: RawLayout): Promise<DecodedVolume> {
  const [x, y, z] = layout.extent;
  const text = (await readFile(path)).subarray(start).toString("latin1").trim();
  const values = Float64Array.from(text.split(/[\s,]+/), Number);
  if (values.length < x * y * z) fail(`it has ${values.length} of ${x * y * z} voxels`);
  const volume = volumeOf(
    { ...layout, type: "float64", bigEndian: false },
    new Uint8Array(values.buffer),
  );
  return { ...volume, dtype: layout.type };
}

async function decode(path: string, options: DecodeOptions): Promise<DecodedVolume> {
  const header = await readHeader(path);
  const layout = layoutOf(header);
  const bytes = layoutBytes(layout, options);
  const { fields } = header;
  const name = fields.get("data file") ?? fields.get("datafile");
  if (name !== undefined && /^LIST|%/.test(name)) unsupported("slices in files of their own");
  const data = name === undefined ? path : besides(path, name, NAME);
  const skipped = Number(fields.get("byte skip") ?? fields.get("byteskip") ?? 0);
  const start = name === undefined ? header.end : await dataStart(data, skipped, bytes);
  const encoding = fields.get("encoding")?.toLowerCase() ?? "raw";
  if (/^(txt|text|ascii)$/.test(encoding)) {
    checkLimit((await stat(data)).size, TEXT_BYTES, "bytes of text");
    return readAscii(data, start, layout);
  }
  if (encoding !== "raw" && !/^gz(ip)?$/.test(encoding)) unsupported(`the encoding ${encoding}`);
  const packing = encoding === "raw" ? "raw" : "gzip";
  return volumeOf(layout, await readBytes(data, start, bytes, packing, NAME));
}

export const nrrd: VolumeFormat = {
  name: NAME,
  kind: "volume3d",
  endings: [".nrrd", ".nhdr"],
  matches: (head) => head.toString("latin1", 0, 6) === "NRRD00",
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
