/**
 * Herding (Welling 2009; as exemplars in iCaRL): samples whose running mean follows the mean of all.
 *
 * Invariant: the first m of n picks are what m picks would give.
 */
import { setImmediate as breathe } from "node:timers/promises";
import { dot, type FeatureTable, meanFeature } from "./feature-table.js";

/** Milliseconds of arithmetic between two turns of the event loop. */
const BREATHE_EVERY_MS = 50;

/** The free sample with the greatest `closeness`; ties go to the lower number. */
function bestOf(closeness: Float64Array, free: Uint8Array): number {
  let best = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (let sample = 0; sample < free.length; sample++) {
    const value = closeness[sample] as number;
    if (free[sample] && (best < 0 || value > most)) [best, most] = [sample, value];
  }
  return best;
}

/**
 * `count` samples in order of choice. Each is the one nearest to what brings the mean of the choice to the mean of all;
 * O(samples x width) for each.
 */
export async function herding(
  features: FeatureTable,
  count: number,
  onProgress: (done: number, total: number) => void,
): Promise<number[]> {
  const { values, samples, width } = features;
  const mean = meanFeature(features);
  const toMean = new Float64Array(samples);
  // The squared distance to the wanted point, but for a constant, times -1/2.
  const closeness = new Float64Array(samples);
  for (let i = 0; i < samples; i++) {
    toMean[i] = dot(features, i, mean);
    const row = values.subarray(i * width, (i + 1) * width);
    closeness[i] = (toMean[i] as number) - dot(features, i, row) / 2;
  }
  const free = new Uint8Array(samples).fill(1);
  const order: number[] = [];
  let since = performance.now();
  while (order.length < count) {
    const best = bestOf(closeness, free);
    order.push(best);
    free[best] = 0;
    const row = values.subarray(best * width, (best + 1) * width);
    for (let i = 0; i < samples; i++) {
      if (free[i]) {
        closeness[i] = (closeness[i] as number) + (toMean[i] as number) - dot(features, i, row);
      }
    }
    if (performance.now() - since < BREATHE_EVERY_MS) continue;
    onProgress(order.length, count);
    await breathe();
    since = performance.now();
  }
  return order;
}
