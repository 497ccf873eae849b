/**
 * The first samples of a batch, as a batch.
 */
import type { Batch } from "../batch.js";

function head<T extends Uint8Array | Int16Array | Int32Array | Float32Array>(
  values: T,
  share: number,
): T {
  return values.subarray(0, Math.round(values.length * share)) as T;
}

/** Samples in a batch. */
export function sampleCount(batch: Batch): number {
  return batch.kind === "text" ? batch.lengths.length : batch.shape[0];
}

/** At most `count` samples from the start of a batch; shares memory with it. */
export function takeSamples(batch: Batch, count: number): Batch {
  const total = sampleCount(batch);
  const kept = Math.min(count, total);
  const share = kept / total;
  switch (batch.kind) {
    case "text":
      return {
        kind: "text",
        ids: head(batch.ids, share),
        lengths: head(batch.lengths, share),
        labels: batch.labels && head(batch.labels, share),
      };
    case "image2d":
      return {
        kind: "image2d",
        pixels: head(batch.pixels, share),
        shape: [kept, batch.shape[1], batch.shape[2], batch.shape[3]],
        crops: batch.crops && head(batch.crops, share),
        flips: batch.flips && head(batch.flips, share),
      };
    case "volume3d":
      return {
        ...batch,
        voxels: head(batch.voxels, share),
        shape: [kept, batch.shape[1], batch.shape[2], batch.shape[3]],
        flips: batch.flips && head(batch.flips, share),
      };
  }
}
