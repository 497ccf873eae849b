/**
 * From a JPEG's bytes to a record in one native call, for the JPEGs that there are most of.
 *
 * Invariant: what a record needs beyond decoding, resizing and grey (turning, colour profiles, repair) is left to the other
 * decoder, and so is the judgement on files that are not as they should be.
 */
import type { Limits, Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { loadPixels } from "../../native/pixels.js";

/** Edges of a record that a shrunk image has at least, so that smoothing is left to the record's own filter. */
const RECORDS_ACROSS = 2;

const START_OF_SCAN = 0xda;
/** Exif, among others. */
const APP1 = 0xe1;
/** Colour profiles and further pictures. */
const APP2 = 0xe2;
const ORIENTATION = 0x0112;
const ENTRY_BYTES = 12;

/** Whether Exif data, from its TIFF header on, say that nothing is turned; only of what is as it should be. */
function isUpright(exif: Buffer): boolean {
  const little = exif.toString("latin1", 0, 2) === "II";
  const short = (at: number) => (little ? exif.readUInt16LE(at) : exif.readUInt16BE(at));
  const first = little ? exif.readUInt32LE(4) : exif.readUInt32BE(4);
  const entries = short(first);
  for (let i = 0; i < entries; i++) {
    const at = first + 2 + i * ENTRY_BYTES;
    if (short(at) === ORIENTATION) return short(at + 8) === 1;
  }
  return true;
}

function isHarmless(marker: number, content: Buffer): boolean {
  if (marker === APP2) return false;
  const exif = marker === APP1 && content.toString("latin1", 0, 6) === "Exif\0\0";
  return !exif || isUpright(content.subarray(6));
}

function isPlain(file: Buffer): boolean {
  if (file.length < 4 || file.readUInt16BE(0) !== 0xffd8) return false;
  for (let at = 2; file[at] === 0xff; ) {
    const marker = file[at + 1] as number;
    if (marker === START_OF_SCAN) return true;
    const end = at + 2 + file.readUInt16BE(at + 2);
    if (!isHarmless(marker, file.subarray(at + 4, end))) return false;
    at = end;
  }
  return false;
}

/** Whether a file is a JPEG that is upright and has no colour profile. */
export function isPlainJpeg(file: Buffer): boolean {
  try {
    return isPlain(file);
  } catch (error) {
    // Something lies beyond the end.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

type Options = Pick<Preprocessing["xray"], "size" | "kernel" | "channels" | "shrinkOnLoad">;

/** The last record. New memory for each would cost a third of the time of a small image. */
let record = new Uint8Array();

/**
 * A record [size,size,channels], good until the next call; undefined where another decoder is to look at the file. Throws
 * E_FILE_CONTENT.
 */
export function jpegRecord(
  file: Buffer,
  { size, kernel, channels, shrinkOnLoad }: Options,
  limits: Limits,
): Uint8Array | undefined {
  if (kernel !== "cubic" || !isPlainJpeg(file)) return undefined;
  const enoughPixels = shrinkOnLoad ? RECORDS_ACROSS * size : 0;
  const options = { size, channels, mostPixels: limits.pixels, enoughPixels };
  const length = size * size * channels;
  if (record.length !== length) record = new Uint8Array(length);
  const outcome = loadPixels().jpegRecord(file, options, record);
  if (outcome !== "constant") return outcome === "record" ? record : undefined;
  throw new MedcossError("E_FILE_CONTENT", { problem: "a constant image" });
}
