/**
 * K-means of features by the native op, run by run.
 *
 * Invariant: each run's seeds follow from (seed, stage, run), so the best of them is the same whatever the threads.
 */
import type { BufferOptions } from "../config/buffer.js";
import { Draws, Purpose } from "../random.js";
import { kmeans } from "../trainer.js";
import type { FeatureTable } from "./feature-table.js";
import type { Cluster } from "./selection.js";

type Options = Pick<BufferOptions, "restarts" | "maxIterations" | "tolerance"> & {
  device?: string;
};

/** A whole number of 53 bits. */
function seedOf(seed: number, stage: number, run: number): number {
  const [high, low] = new Draws(seed, stage, run, Purpose.kmeans).words(0);
  return (high >>> 11) * 2 ** 32 + low;
}

/** Greedy k-means++ and Lloyd's iterations, `restarts` times; `between` is called after each run and may throw. */
export function clusterBy(
  { restarts, maxIterations, tolerance, device = "cpu" }: Options,
  seed: number,
  stage: number,
  between: (done: number, total: number) => void,
): Cluster {
  return async ({ values, samples, width }: FeatureTable, clusters: number) => {
    const run = (number: number) =>
      kmeans({
        ...{ data: values, samples, dimensions: width, clusters, device },
        ...{ seed: seedOf(seed, stage, number), restarts: 1, maxIterations, tolerance },
      });
    // With one cluster every run ends at the mean.
    const runs = clusters > 1 ? restarts : 1;
    let best = await run(0);
    between(1, runs);
    for (let number = 1; number < runs; number++) {
      const found = await run(number);
      if (found.inertia < best.inertia) best = found;
      between(number + 1, runs);
    }
    return best;
  };
}
