/**
 * MetaImage (.mha, .mhd with a data file): raw or zlib, either byte order; directions are to the left, to the back and to
 * the head, as ITK writes them.
 */
import { open } from "node:fs/promises";
import { MedcossError } from "../../errors.js";
import type { Affine, Triple } from "./orientation.js";
import {
  besides,
  dataStart,
  layoutBytes,
  type RawLayout,
  readBytes,
  volumeOf,
} from "./raw-volume.js";
import { type DecodedVolume, type DecodeOptions, decoding, type VolumeFormat } from "./types.js";

const NAME = "MetaImage";
const HEADER_BYTES = 2 ** 16;

const types: Record<string, string> = {
  MET_CHAR: "int8",
  MET_UCHAR: "uint8",
  MET_SHORT: "int16",
  MET_USHORT: "uint16",
  MET_INT: "int32",
  MET_UINT: "uint32",
  MET_LONG: "int32",
  MET_ULONG: "uint32",
  MET_LONG_LONG: "int64",
  MET_ULONG_LONG: "uint64",
  MET_FLOAT: "float32",
  MET_DOUBLE: "float64",
};

function fail(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem });
}

function unsupported(problem: string): never {
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem });
}

interface Header {
  fields: Map<string, string>;
  /** First byte behind the header. */
  end: number;
}

/** Lines up to `ElementDataFile`, which is the last one. */
async function readHeader(path: string): Promise<Header> {
  const file = await open(path, "r");
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await file.read(bytes, 0, HEADER_BYTES, 0);
    const text = bytes.toString("latin1", 0, bytesRead);
    const found = /^ElementDataFile\s*=.*(\r?\n|$)/m.exec(text);
    if (!found) fail("its header names no data");
    const end = found.index + found[0].length;
    const lines = text.slice(0, end).split(/\r?\n/);
    const fields = lines.flatMap((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const];
    });
    return { fields: new Map(fields), end };
  } finally {
    await file.close();
  }
}

function numbersOf(fields: Map<string, string>, count: number, ...names: string[]) {
  const text = names.map((name) => fields.get(name)).find((value) => value !== undefined);
  if (text === undefined) return undefined;
  const values = text.split(/\s+/).map(Number);
  if (values.length !== count || !values.every(Number.isFinite)) fail(`its ${names[0]} is ${text}`);
  return values;
}

function affineOf(fields: Map<string, string>): Affine {
  const spacing = numbersOf(fields, 3, "ElementSpacing", "ElementSize") ?? [1, 1, 1];
  const matrix = numbersOf(fields, 9, "TransformMatrix", "Rotation", "Orientation") ?? [
    ...[1, 0, 0, 0, 1, 0, 0, 0, 1],
  ];
  if (!spacing.every((edge) => edge > 0)) fail(`its spacing is ${spacing}`);
  return [0, 1, 2].map((row) => {
    const sign = row < 2 ? -1 : 1;
    return [0, 1, 2].map(
      (axis) => sign * (matrix[3 * axis + row] as number) * (spacing[axis] as number),
    );
  });
}

const isTrue = (value: string | undefined) => /^(true|1)$/i.test(value ?? "");

function layoutOf({ fields }: Header): RawLayout {
  const axes = Number(fields.get("NDims"));
  if (axes !== 3) unsupported(`${axes} axes`);
  if (Number(fields.get("ElementNumberOfChannels") ?? 1) !== 1) unsupported("several channels");
  const type = fields.get("ElementType") ?? "";
  const extent = numbersOf(fields, 3, "DimSize") ?? fail("its header names no size");
  return {
    format: NAME,
    type: types[type] ?? unsupported(`voxels of ${type || "no type"}`),
    bigEndian: isTrue(fields.get("BinaryDataByteOrderMSB") ?? fields.get("ElementByteOrderMSB")),
    extent: extent as Triple,
    affine: affineOf(fields),
  };
}

async function decode(path: string, options: DecodeOptions): Promise<DecodedVolume> {
  const header = await readHeader(path);
  const layout = layoutOf(header);
  const bytes = layoutBytes(layout, options);
  const name = header.fields.get("ElementDataFile") as string;
  if (name === "LIST" || name.includes("%")) unsupported("slices in files of their own");
  const local = name.toUpperCase() === "LOCAL";
  const data = local ? path : besides(path, name, NAME);
  const skip = Number(header.fields.get("HeaderSize") ?? 0);
  const start = local ? header.end : await dataStart(data, skip, bytes);
  const packing = isTrue(header.fields.get("CompressedData")) ? "zlib" : "raw";
  return volumeOf(layout, await readBytes(data, start, bytes, packing, NAME));
}

export const metaImage: VolumeFormat = {
  name: NAME,
  kind: "volume3d",
  endings: [".mha", ".mhd"],
  matches: (head) => /^(ObjectType|NDims)\s*=/.test(head.toString("latin1", 0, 40)),
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
