/**
 * Generated samples of the k-means case, in files that contenders of every language read.
 *
 * Invariant: everything follows from the generator of golden values.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { formula } from "../../lib/trainer.js";

export type Samples = "features" | "uniform";

export interface Size {
  samples: number;
  dimensions: number;
  clusters: number;
}

const SEED = 7;
const ROWS = 1000;
/** Within a cluster the standard deviation is this share of that between them. */
const WITHIN = 0.7;

/** Standard normal numbers (Box and Muller). */
function normal(name: string, count: number): Float64Array {
  const draws = formula(name, 2 * count, SEED);
  return Float64Array.from({ length: count }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - (draws[2 * i] as number)));
    return radius * Math.cos(2 * Math.PI * (draws[2 * i + 1] as number));
  });
}

/** Row by row: the cluster of unequal sizes that a sample belongs to. */
function memberships({ samples, clusters }: Size): Int32Array {
  const weights = formula("kmeans.sizes", clusters, SEED).map((x) => -Math.log(1 - x));
  const total = weights.reduce((a, b) => a + b);
  let sum = 0;
  const ends = weights.map((weight) => {
    sum += weight / total;
    return sum;
  });
  const which = formula("kmeans.member", samples, SEED);
  return Int32Array.from(which, (draw) => {
    const found = ends.findIndex((end) => draw < end);
    return found < 0 ? clusters - 1 : found;
  });
}

/**
 * Rows like the features of a network: as many clusters as centres, of exponentially distributed sizes, and variances
 * that fall as 1/i over the features, the usual spectrum of learned representations (Stringer et al., Nature 2019;
 * Agrawal et al., NeurIPS 2022).
 */
function featureRows(size: Size): (first: number, rows: number) => Float32Array {
  const { dimensions: d, clusters } = size;
  const centres = normal("kmeans.centres", clusters * d);
  const member = memberships(size);
  const scale = Float64Array.from({ length: d }, (_, i) => 1 / Math.sqrt(i + 1));
  return (first, rows) =>
    Float32Array.from(normal(`kmeans.rows.${first}`, rows * d), (noise, i) => {
      const row = member[first + Math.floor(i / d)] as number;
      return (scale[i % d] as number) * ((centres[row * d + (i % d)] as number) + WITHIN * noise);
    });
}

/** Writes samples [N,d] as float32 and returns nothing; uniform noise has no clusters to find. */
export function writeSamples(path: string, kind: Samples, size: Size): void {
  const { samples, dimensions } = size;
  const rowsFrom =
    kind === "features"
      ? featureRows(size)
      : (first: number, rows: number) =>
          Float32Array.from(formula(`kmeans.uniform.${first}`, rows * dimensions, SEED));
  const file = openSync(path, "w");
  for (let first = 0; first < samples; first += ROWS) {
    writeSync(file, rowsFrom(first, Math.min(ROWS, samples - first)));
  }
  closeSync(file);
}
