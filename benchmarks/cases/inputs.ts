/**
 * Generated inputs of the step case, the same numbers as the peer's.
 *
 * Invariant: everything follows from the golden generator, so two processes in two languages see equal batches.
 */
import type { Batch } from "../../lib/batch.js";
import { formula } from "../../lib/trainer.js";

export const kinds = ["image2d", "volume3d", "text"] as const;
export type Kind = (typeof kinds)[number];

/** Weights and inputs of every contender. */
export const SEED = 7;
export const IMAGE: readonly [number, number, number] = [224, 224, 3];
export const VOLUME: readonly [number, number, number] = [16, 192, 192];
export const TEXT_LENGTH = 112;
const FIRST_WORD = 1000;
const WORDS = 27996;
/** Places of the words to be predicted: every so many from the first on. */
export const LABEL_EVERY = 7;
export const LABEL_FIRST = 3;
const SHORTEST_TEXT = 40;

/** Evenly spread from 40 to 112 real tokens. */
export function textLengths(batch: number): number[] {
  const span = TEXT_LENGTH - SHORTEST_TEXT;
  return Array.from({ length: batch }, (_, i) =>
    Math.round(SHORTEST_TEXT + (batch > 1 ? (i * span) / (batch - 1) : span)),
  );
}

function images(name: string, batch: number): Batch {
  const [height, width, channels] = IMAGE;
  const area = height * width;
  const planes = formula(name, batch * area * channels, SEED);
  const pixels = new Float32Array(planes.length);
  for (let i = 0; i < pixels.length; i++) {
    const sample = Math.floor(i / (area * channels));
    const place = Math.floor(i / channels) % area;
    pixels[i] = planes[(sample * channels + (i % channels)) * area + place] as number;
  }
  return { kind: "image2d", pixels, shape: [batch, height, width, channels] };
}

function volumes(name: string, batch: number): Batch {
  const voxels = Float32Array.from(formula(name, batch * VOLUME.reduce((a, b) => a * b), SEED));
  return { kind: "volume3d", voxels, shape: [batch, ...VOLUME], scale: 1, offset: 0 };
}

/** Words with every seventh of them to be predicted; `lengths` counts real tokens. */
function texts(name: string, lengths: readonly number[]): Batch {
  const draws = formula(`${name}.ids`, lengths.length * TEXT_LENGTH, SEED);
  const ids = new Int32Array(draws.length);
  const labels = new Int32Array(draws.length).fill(-100);
  for (let i = 0; i < draws.length; i++) {
    const place = i % TEXT_LENGTH;
    if (place >= (lengths[Math.floor(i / TEXT_LENGTH)] as number)) continue;
    ids[i] = FIRST_WORD + Math.floor((draws[i] as number) * WORDS);
    if (place % LABEL_EVERY === LABEL_FIRST) labels[i] = ids[i] as number;
  }
  return { kind: "text", ids, lengths: Int32Array.from(lengths), labels };
}

export function makeBatch(kind: Kind, name: string, lengths: readonly number[]): Batch {
  if (kind === "text") return texts(name, lengths);
  const input = `${name}.input`;
  return kind === "image2d" ? images(input, lengths.length) : volumes(input, lengths.length);
}

/** Masking noise [B,L]; none for text. */
export function makeNoise(kind: Kind, name: string, batch: number): Float32Array | undefined {
  if (kind === "text") return undefined;
  const edges = kind === "image2d" ? IMAGE.slice(0, 2) : VOLUME;
  const patches = edges.reduce((product, edge) => product * (edge / 16), 1);
  return Float32Array.from(formula(`${name}.noise`, batch * patches, SEED));
}

/** Rows of the encoder's output: the class token and the kept quarter of the patches, or every word. */
export const keptRows: Record<Kind, number> = { image2d: 50, volume3d: 37, text: TEXT_LENGTH };

// `from` with a function would make a list of numbers first, of hundreds of megabytes, which the peak would count.
function scaled<T extends Uint8Array | Int16Array>(
  from: Uint8Array | Int16Array | Float32Array,
  into: T,
  factor: number,
): T {
  for (let i = 0; i < into.length; i++) into[i] = factor * (from[i] as number);
  return into;
}

/** The batch in the types of a store's records: bytes and 16-bit integers, a quarter and a half of the memory. */
export function asStored(batch: Batch): Batch {
  if (batch.kind === "image2d") {
    return { ...batch, pixels: scaled(batch.pixels, new Uint8Array(batch.pixels.length), 255) };
  }
  if (batch.kind === "volume3d") {
    const voxels = scaled(batch.voxels, new Int16Array(batch.voxels.length), 1024);
    return { ...batch, voxels, scale: 1 / 1024 };
  }
  return batch;
}
