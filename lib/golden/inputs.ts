/**
 * The golden inputs, drawn from the generator and laid out as batches.
 *
 * Invariant: values are the float32 of the generator's; only their order differs from the stored [B,C,H,W].
 */
import type { ImageBatch, TextBatch, VolumeBatch } from "../batch.js";
import { formula } from "../trainer.js";
import type { GoldenDirectory } from "./directory.js";

/** Text mixup keeps a token where the draw is below this. */
const KEEP_BELOW = 0.4;
const CHANNELS = 3;

/** Pixels [B,H,W,C] of the generator's [B,C,H,W]. */
function channelsLast(values: Float64Array, batch: number, pixels: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let b = 0; b < batch; b++) {
    const base = b * CHANNELS * pixels;
    for (let c = 0; c < CHANNELS; c++) {
      for (let p = 0; p < pixels; p++) {
        out[base + p * CHANNELS + c] = values[base + c * pixels + p] as number;
      }
    }
  }
  return out;
}

export function imageBatch(golden: GoldenDirectory, edge: number): ImageBatch {
  const { batch, seed } = golden.values;
  const values = formula("input.image2d", batch * CHANNELS * edge * edge, seed);
  const pixels = channelsLast(values, batch, edge * edge);
  return { kind: "image2d", pixels, shape: [batch, edge, edge, CHANNELS] };
}

export function volumeBatch(
  golden: GoldenDirectory,
  size: readonly [number, number, number],
): VolumeBatch {
  const { batch, seed } = golden.values;
  const voxels = formula("input.volume3d", batch * size[0] * size[1] * size[2], seed);
  return {
    kind: "volume3d",
    voxels: Float32Array.from(voxels),
    shape: [batch, ...size],
    scale: 1,
    offset: 0,
  };
}

/** The stored texts, with their labels where a loss is wanted. */
export function textBatch(golden: GoldenDirectory, labelled: boolean): TextBatch {
  const { ids, lengths, labels } = golden.text;
  return { kind: "text", ids, lengths, ...(labelled && { labels }) };
}

/** Float32 draws. */
export function draws(golden: GoldenDirectory, name: string, count: number): Float32Array {
  return Float32Array.from(formula(name, count, golden.values.seed));
}

/** 1 where text mixup keeps the sample's own token [B,L]. */
export function keptTokens(golden: GoldenDirectory): Uint8Array {
  const draw = draws(golden, "binary.text", golden.text.ids.length);
  return Uint8Array.from(draw, (value) => (value < KEEP_BELOW ? 1 : 0));
}

/** Mixup with the reversed batch. */
export function reversed(batch: number): Int32Array {
  return Int32Array.from({ length: batch }, (_, i) => batch - 1 - i);
}
