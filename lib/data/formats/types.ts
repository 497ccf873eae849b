/**
 * What a decoder of one file format looks like. Each format is one file; `index.ts` lists them.
 *
 * Invariant: sizes that a file claims are held against the limits before memory is taken for them; whatever is wrong
 * with a file leaves as an E_FILE_* or E_TABLE_* error without its path.
 */
import type { Limits } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";

/** How a grey image's values are meant to be shown. */
export interface Display {
  /** Whether the least value is white. */
  inverted: boolean;
  /** Values from black to white: `center - width / 2` to `center + width / 2`, or the logistic curve through them. */
  window?: { center: number; width: number; shape: "linear" | "sigmoid" };
  /** Grey by value, in place of a window; `first` is the value of its first entry. */
  table?: { first: number; values: Uint8Array | Uint16Array };
  /** Value of pixels that were not exposed. */
  padding?: number;
}

/** What a decoder learns about where a file comes from. */
interface Origin {
  /** Tells patients apart; digested before it is written anywhere. */
  patient?: string;
  /** Whether the file says that there is text in its pixels. */
  annotated?: boolean;
}

export interface DecodedImage extends Origin {
  kind: "image2d";
  /** [H,W,C], upright by its EXIF orientation; colour is RGB. */
  pixels: Uint8Array | Uint16Array | Float32Array;
  /** Undefined where the values are grey levels already. */
  display?: Display;
  height: number;
  width: number;
  channels: 1 | 3;
  /** Type as stored, for example `uint8`. */
  dtype: string;
}

export interface DecodedVolume extends Origin {
  kind: "volume3d";
  /** [z,y,x]: x runs to the patient's left, y to the back, z to the head. Slope and intercept are applied. */
  voxels: Float32Array;
  /** z, y, x. */
  shape: [number, number, number];
  /** z, y, x; undefined where the file has none. */
  spacingMm?: [number, number, number];
  /** Directions in which the stored axes i, j, k run, as letters of R L A P S I; undefined where the file has none. */
  orientation?: string;
  /** z, y, x as stored, before the axes were put in order. */
  storedShape: [number, number, number];
  /** z, y, x as stored. */
  storedSpacingMm?: [number, number, number];
  dtype: string;
}

export interface Table {
  kind: "text";
  columns: string[];
  /** Whether the file is one report, so that it needs no row number. */
  whole?: boolean;
  /** Every row as text by column; may be asked for again. */
  rows(): AsyncIterable<Record<string, string>>;
}

export interface DecodeOptions {
  limits: Limits;
  hdf5Dataset: string;
}

interface FormatBase {
  /** As `inspect` prints it. */
  name: string;
  /** Lower-case name endings. */
  endings: string[];
  /** Whether the first bytes of a file are this format's. */
  matches(head: Buffer): boolean;
}

export interface ImageFormat extends FormatBase {
  kind: "image2d";
  decode(path: string, options: DecodeOptions): Promise<DecodedImage>;
  /** Why a file of this format is none to learn from, though nothing is wrong with it. */
  reasonToSkip?(path: string): Promise<string | undefined>;
}

export interface VolumeFormat extends FormatBase {
  kind: "volume3d";
  decode(path: string, options: DecodeOptions): Promise<DecodedVolume>;
}

export interface TableFormat extends FormatBase {
  kind: "text";
  decode(path: string, options: DecodeOptions): Promise<Table>;
}

export type Format = ImageFormat | VolumeFormat | TableFormat;

/** What libraries say in words of their own, and what that means. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [/buffer overrun|read past (the )?end/i, "it ends early"],
  [/maximum call stack/i, "it is nested too deeply"],
];

/** A library's message in one line. */
export function plainly(message: string): string {
  const known = MEANINGS.find(([pattern]) => pattern.test(message));
  return known?.[1] ?? message.replace(/\s+/g, " ").slice(0, 200);
}

/** Runs a decoder; an error of its library becomes E_FILE_FORMAT in one line. */
export async function decoding<T>(
  format: string,
  path: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof MedcossError) throw cause;
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall !== undefined) {
      throw new MedcossError("E_FILE_UNREADABLE", { problem: code ?? message }, { cause });
    }
    const problem = plainly(String(message).replaceAll(path, "the file"));
    throw new MedcossError("E_FILE_FORMAT", { format, problem }, { cause });
  }
}

/** Throws E_FILE_TOO_LARGE where `claimed` is over `limit`. */
export function checkLimit(claimed: number, limit: number, unit: string): void {
  if (claimed <= limit) return;
  throw new MedcossError("E_FILE_TOO_LARGE", {
    claimed: `${claimed} ${unit}`,
    limit: `${limit} ${unit}`,
  });
}
