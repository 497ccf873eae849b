/** Small batches with structure in them; everything follows from kind, number of samples and seed. */
import { Draws, Purpose } from "../../lib/random.js";

/** @typedef {"image2d" | "volume3d" | "text"} Kind */
export const kinds = /** @type {const} */ (["image2d", "volume3d", "text"]);

const EDGE = 224;
const VOLUME = /** @type {const} */ ([16, 192, 192]);
const TEXT_LENGTH = 112;

/** Samples that differ; more of them are copies. */
const DIFFERENT = 16;

/** Four bits that look random. @param {number} i @param {number} seed */
const noise = (i, seed) => Math.imul(i + 7919 * seed, 2654435761) >>> 28;

/** Repeats the first `part` values over the whole array. @param {Uint8Array | Int16Array} values @param {number} part */
function repeat(values, part) {
  for (let i = part; i < values.length; i += part)
    values.copyWithin(i, 0, Math.min(part, values.length - i));
}

/** @param {number} samples @param {number} seed @returns {import("../../lib/batch.js").ImageBatch} */
function imageBatch(samples, seed) {
  const pixels = new Uint8Array(samples * EDGE * EDGE * 3);
  const part = Math.min(samples, DIFFERENT) * EDGE * EDGE * 3;
  for (let i = 0; i < part; i++) {
    const x = Math.floor(i / 3) % EDGE;
    const y = Math.floor(i / (3 * EDGE));
    pixels[i] = 128 + 90 * Math.sin(x / 9 + y / 14 + seed) + noise(i, seed);
  }
  repeat(pixels, part);
  return { kind: "image2d", pixels, shape: [samples, EDGE, EDGE, 3] };
}

/** @param {number} samples @param {number} seed @returns {import("../../lib/batch.js").VolumeBatch} */
function volumeBatch(samples, seed) {
  const [depth, height, width] = VOLUME;
  const voxels = new Int16Array(samples * depth * height * width);
  const part = Math.min(samples, DIFFERENT) * depth * height * width;
  for (let i = 0; i < part; i++) {
    const x = i % width;
    const y = Math.floor(i / width);
    voxels[i] = 400 * Math.sin(x / 11 + y / 17 + seed) + 2 * noise(i, seed);
  }
  repeat(voxels, part);
  const shape = /** @type {[number, number, number, number]} */ ([samples, ...VOLUME]);
  return { kind: "volume3d", voxels, shape, scale: 1 / 1000, offset: 0.5 };
}

/** @param {number} samples @param {number} seed @returns {import("../../lib/batch.js").TextBatch} */
function textBatch(samples, seed) {
  const draws = new Draws(seed, 0, 0, Purpose.sampleOrder);
  const ids = new Int32Array(samples * TEXT_LENGTH);
  const labels = new Int32Array(ids.length).fill(-100);
  const lengths = Int32Array.from({ length: samples }, (_, i) => TEXT_LENGTH - 9 * (i % 8));
  for (const [i, length] of lengths.entries()) {
    for (let j = 0; j < length; j++) {
      const place = i * TEXT_LENGTH + j;
      ids[place] = 1000 + draws.below(500, i, j);
      if (j % 7 === 3) labels[place] = ids[place];
    }
  }
  return { kind: "text", ids, lengths, labels };
}

/** @param {Kind} kind @param {number} samples @param {number} [seed] */
export function exampleBatch(kind, samples, seed = 0) {
  if (kind === "text") return textBatch(samples, seed);
  return kind === "image2d" ? imageBatch(samples, seed) : volumeBatch(samples, seed);
}
