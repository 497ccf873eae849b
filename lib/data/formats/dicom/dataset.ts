/**
 * A DICOM file's elements by dicom-parser: with or without the preamble of part 10, deflated or not.
 *
 * Invariant: nothing that names a patient, a study or a series leaves this folder except as `seriesOf` and `patientOf`,
 * which callers may compare and digest and must not write.
 */
import { inflateRawSync } from "node:zlib";
import dicomParser, { type DataSet } from "dicom-parser";
import { MedcossError } from "../../../errors.js";
import { plainly } from "../types.js";

export const DICOM = "DICOM";
export const PIXEL_DATA = "x7fe00010";
const IMPLICIT = "1.2.840.10008.1.2";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";

/** Uncompressed transfer syntaxes, and the deflated one. */
const NATIVE = new Set([IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN, "1.2.840.10008.1.2.1.99"]);

export function failDicom(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: DICOM, problem });
}

export function unsupportedDicom(problem: string, kind = "DICOM"): never {
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind, problem });
}

/** Whether the first bytes are a DICOM file's: the mark behind the preamble, or a first group that files begin with. */
export function isDicom(head: Buffer): boolean {
  if (head.toString("latin1", 128, 132) === "DICM") return true;
  if (head.length < 16 || (head[0] !== 2 && head[0] !== 8) || head[1] !== 0) return false;
  const element = head.readUInt16LE(2);
  const explicit = /^(UL|OB|CS|UI|DA|SH)$/.test(head.toString("latin1", 4, 6));
  return element <= 0x18 && (explicit || head.readUInt32LE(4) <= 64);
}

/** Elements up to `untilTag`, or all; `limit` bounds what deflated ones may unpack to. */
export function parseDataset(bytes: Uint8Array, limit: number, untilTag?: string): DataSet {
  const inflater = (packed: Uint8Array, position: number) => {
    const rest = inflateRawSync(packed.subarray(position), { maxOutputLength: limit });
    return Buffer.concat([packed.subarray(0, position), rest]);
  };
  const part10 = String.fromCharCode(...bytes.subarray(128, 132)) === "DICM";
  const explicit = /^[A-Z]{2}$/.test(String.fromCharCode(...bytes.subarray(4, 6)));
  const bare = explicit ? "1.2.840.10008.1.2.1" : IMPLICIT;
  const options = { untilTag, inflater, TransferSyntaxUID: part10 ? undefined : bare };
  try {
    return dicomParser.parseDicom(bytes, options);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      const limits = { claimed: `over ${limit} unpacked bytes`, limit: `${limit} bytes` };
      throw new MedcossError("E_FILE_TOO_LARGE", limits, { cause });
    }
    const { exception, message } = cause as { exception?: string; message?: string };
    const problem = plainly(
      String(message ?? exception ?? cause).replace(/^dicomParser\.\w+: /, ""),
    );
    throw new MedcossError("E_FILE_FORMAT", { format: DICOM, problem }, { cause });
  }
}

/** What an image's elements say about its pixels. */
export interface Header {
  syntax: string;
  native: boolean;
  bigEndian: boolean;
  rows: number;
  columns: number;
  frames: number;
  samples: number;
  photometric: string;
  planar: boolean;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  signed: boolean;
}

/** Whether the file says what it is, and that has no pixels: a report, a directory, a plan. */
export function isObjectWithoutPixels(dataset: DataSet): boolean {
  const kind = dataset.string("x00080016") ?? dataset.string("x00020002");
  return kind !== undefined && !dataset.elements[PIXEL_DATA] && !hasSize(dataset);
}

function hasSize(dataset: DataSet): boolean {
  return (dataset.uint16("x00280010") ?? 0) > 0 && (dataset.uint16("x00280011") ?? 0) > 0;
}

export function syntaxOf(dataset: DataSet): string {
  return dataset.string("x00020010") ?? IMPLICIT;
}

function checkHeader(header: Header): Header {
  const { samples, bitsAllocated, bitsStored, highBit, frames } = header;
  if (samples !== 1 && samples !== 3) unsupportedDicom(`${samples} samples per pixel`);
  if (![8, 16, 32].includes(bitsAllocated)) unsupportedDicom(`${bitsAllocated} bits per sample`);
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit >= bitsAllocated)
    failDicom(`it claims ${bitsStored} of ${bitsAllocated} bits`);
  if (highBit < bitsStored - 1) failDicom(`its highest bit is ${highBit}`);
  if (!(frames >= 1)) failDicom(`it claims ${frames} frames`);
  return header;
}

/** Throws E_FILE_FORMAT for a file without pixels, E_FILE_UNSUPPORTED for samples that no image has. */
export function readHeader(dataset: DataSet): Header {
  if (!hasSize(dataset)) failDicom("it is not an image");
  const syntax = syntaxOf(dataset);
  const bitsAllocated = dataset.uint16("x00280100") ?? 16;
  const bitsStored = dataset.uint16("x00280101") ?? bitsAllocated;
  return checkHeader({
    syntax,
    native: NATIVE.has(syntax),
    bigEndian: syntax === BIG_ENDIAN,
    rows: dataset.uint16("x00280010") as number,
    columns: dataset.uint16("x00280011") as number,
    frames: dataset.intString("x00280008") ?? 1,
    samples: dataset.uint16("x00280002") ?? 1,
    photometric: dataset.string("x00280004") ?? "MONOCHROME2",
    planar: dataset.uint16("x00280006") === 1,
    bitsAllocated,
    bitsStored,
    highBit: dataset.uint16("x00280102") ?? bitsStored - 1,
    signed: dataset.uint16("x00280103") === 1,
  });
}

/** All numbers of a decimal string; undefined where one is missing or no number. */
export function decimals(dataset: DataSet, tag: string, count: number): number[] | undefined {
  // The library's own reader of several numbers throws where there are fewer.
  const parts = dataset.string(tag)?.split("\\") ?? [];
  const numbers = Array.from({ length: count }, (_, i) => Number.parseFloat(parts[i] ?? ""));
  return numbers.every(Number.isFinite) ? numbers : undefined;
}

/** The first data set of a sequence. */
export function firstItem(dataset: DataSet | undefined, tag: string): DataSet | undefined {
  return dataset?.elements[tag]?.items?.[0]?.dataSet;
}

/** Tells series apart; never to be written. */
export function seriesOf(dataset: DataSet): string {
  return dataset.string("x0020000e") ?? "";
}

/** Tells patients apart; undefined where the file names none. Never to be written. */
export function patientOf(dataset: DataSet): string | undefined {
  const id = dataset.string("x00100020") || dataset.string("x00100010");
  return id ? `${dataset.string("x00100021") ?? ""}\\${id}` : undefined;
}

/** Whether the file itself says that there is text in its pixels. */
export function isAnnotated(dataset: DataSet): boolean {
  return dataset.string("x00280301")?.toUpperCase() === "YES";
}
