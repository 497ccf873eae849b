/**
 * The k-means case: Lloyd's iterations from given centres on generated samples, and the samples nearest to each centre.
 */
import type { KmeansResult } from "../native/types.js";
import { formula, kmeans } from "../trainer.js";
import type { Checks } from "./checks.js";
import type { GoldenDirectory } from "./directory.js";

const BLOBS = 30;
const BLOB_SPREAD = 3;
const MAX_ITERATIONS = 300;
const TOLERANCE = 1e-4;

/** Samples [N,d] around the corners of 30 blobs. */
function samples(seed: number, count: number, width: number): Float32Array {
  const noise = formula("kmeans.x", count * width, seed);
  const blob = formula("kmeans.blob", BLOBS * width, seed);
  const which = formula("kmeans.which", count, seed);
  return Float32Array.from(noise, (value, i) => {
    const row = Math.floor(BLOBS * (which[Math.floor(i / width)] as number));
    return value + BLOB_SPREAD * (blob[row * width + (i % width)] as number);
  });
}

/** Evenly spaced samples as the first centres [k,d]. */
function firstCentres(data: Float32Array, count: number, width: number, k: number): Float32Array {
  const centres = new Float32Array(k * width);
  const gap = k > 1 ? (count - 1) / (k - 1) : 0;
  for (let i = 0; i < k; i++) {
    const row = i === k - 1 && k > 1 ? count - 1 : Math.trunc(i * gap);
    centres.set(data.subarray(row * width, (row + 1) * width), i * width);
  }
  return centres;
}

/** Per cluster its `per` samples nearest to the centre, nearest first. */
function nearest(data: Float32Array, width: number, found: KmeansResult, per: number): number[][] {
  const distances = Array.from(found.labels, (label, i) => {
    let sum = 0;
    for (let j = 0; j < width; j++) {
      const centre = found.centres[label * width + j] as number;
      sum += ((data[i * width + j] as number) - centre) ** 2;
    }
    return sum;
  });
  const clusters = Array.from({ length: found.centres.length / width }, () => [] as number[]);
  for (const [i, label] of found.labels.entries()) clusters[label]?.push(i);
  const byDistance = (a: number, b: number) =>
    (distances[a] as number) - (distances[b] as number) || a - b;
  return clusters.map((members) => members.sort(byDistance).slice(0, per));
}

export async function checkKmeans(
  golden: GoldenDirectory,
  checks: Checks,
  device: string,
): Promise<void> {
  const stored = golden.values.kmeans;
  const labels = golden.tensors.get("kmeans.labels");
  const centres = golden.tensors.get("kmeans.centres");
  if (!stored) return;
  const data = samples(golden.values.seed, stored.N, stored.d);
  const found = await kmeans({
    device,
    data,
    samples: stored.N,
    dimensions: stored.d,
    clusters: stored.k,
    centres: firstCentres(data, stored.N, stored.d, stored.k),
    seed: golden.values.seed,
    restarts: 1,
    maxIterations: MAX_ITERATIONS,
    tolerance: TOLERANCE,
  });
  if (labels) checks.equal("kmeans", "labels", found.labels, labels.data);
  if (centres) checks.centres("kmeans", found.centres, centres);
  checks.relative("kmeans", "inertia", found.inertia, stored.inertia);
  if (stored.n_iter !== undefined) {
    checks.equal("kmeans", "n_iter", [found.iterations], [stored.n_iter]);
  }
  const selected = nearest(data, stored.d, found, stored.per_centre);
  // A cluster's number stands before its members, so that equal lists mean equal clusters.
  const flat = (lists: number[][]) => lists.flatMap((list, cluster) => [-1 - cluster, ...list]);
  checks.equal("kmeans", "selected", flat(selected), flat(stored.selected));
}
