/**
 * K-means: iterations from given centres, and whole fits with greedy k-means++.
 *
 * Invariant: contenders read the same samples and centres, and before timing every contender's labels are those of
 * float64 distances wherever these decide, with equal inertia after equal iterations.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Contender, Variant } from "../harness/measure.js";
import { ourWorker, peerWorker } from "./commands.js";
import { type Samples, type Size, writeSamples } from "./kmeans-data.js";
import type { Options } from "./options.js";

export interface KmeansConfiguration extends Size {
  path: string;
  task: "iterations" | "fit";
  iterations: number;
  threads: number;
}

/** The largest modality of the published corpora, one centre per hundred samples. */
const full: Size = { samples: 59000, dimensions: 768, clusters: 590 };
const quick: Size = { samples: 6000, dimensions: 256, clusters: 60 };
const ITERATIONS = 20;
/** What a fit is counted as, seeding aside. */
const FIT_ITERATIONS = 25;

function contenders(configuration: KmeansConfiguration): Contender[] {
  const { threads } = configuration;
  const peer = (library: string): Contender => ({
    name: library,
    command: peerWorker("kmeans", threads),
    configuration: { ...configuration, library },
  });
  const ours = { name: "medcoss", command: ourWorker("medcoss-kmeans", threads), configuration };
  return [ours, peer("scikit-learn"), peer("faiss")];
}

function variant(configuration: KmeansConfiguration, kind: Samples): Variant {
  const { samples, dimensions, clusters, task, iterations } = configuration;
  const counted = task === "fit" ? FIT_ITERATIONS : iterations;
  return {
    case: `kmeans ${task === "fit" ? "fit" : `${iterations} iterations`} ${kind} ${samples}x${dimensions}, ${clusters}`,
    contenders: contenders(configuration),
    baseline: "scikit-learn",
    samplesPerStep: task === "fit" ? samples : samples * iterations,
    flopsPerStep: 2 * samples * dimensions * clusters * counted,
    agreement: { inertia: 1e-4 },
    plan: task === "fit" ? { warmups: 1, rounds: 3, slowSeconds: 60 } : { warmups: 1, rounds: 5 },
  };
}

/** The files are removed when the process ends. */
export function kmeansVariants({ threads, quick: isQuick }: Options): Variant[] {
  const size = isQuick ? quick : full;
  const folder = mkdtempSync(join(tmpdir(), "medcoss-kmeans-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return (["features", "uniform"] as const).flatMap((kind) => {
    const path = join(folder, `${kind}.f32`);
    writeSamples(path, kind, size);
    const tasks = kind === "features" ? (["iterations", "fit"] as const) : ["iterations" as const];
    return tasks.map((task) =>
      variant({ ...size, path, task, iterations: ITERATIONS, threads }, kind),
    );
  });
}

export const kmeansMethod = [
  "Samples: `features`, clusters of exponential sizes with variances 1/i over the features; `uniform`, noise, the worst case",
  "Iterations start at evenly spaced samples, tolerance 0, and end with the labels of the last centres (faiss: without)",
  "Fits: one run, tolerance 1e-4; scikit-learn and medcoss seed by greedy k-means++, faiss at random with 25 iterations over all samples",
  "TFLOP/s count every product of samples and centres; of a fit, 25 iterations and no seeding",
  "Before timing each contender's labels of one iteration equal those of float64 where the two nearest differ by 1e-5",
];
