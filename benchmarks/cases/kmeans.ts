/**
 * K-means: iterations from given centres, and whole fits with greedy k-means++, at the sizes of the published corpora
 * and along each of its three sizes.
 *
 * Invariant: contenders read the same samples and centres, and before timing every contender's labels are those of
 * float64 distances wherever these decide, with equal inertia after equal iterations; of contenders in half precision on
 * a GPU the inertia alone.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Contender, Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import { type Samples, type Size, writeSamples } from "./kmeans-data.js";
import { type Options, onGpu } from "./options.js";

export interface KmeansConfiguration extends Size {
  path: string;
  task: "iterations" | "fit";
  iterations: number;
  device: string;
  threads: number;
}

/** Samples of the five published corpora; one centre per hundred. */
const corpora = { report: 227_000, xray: 356_000, ct: 125_000, mri: 59_000, pathology: 216_000 };
const DIMENSIONS = 768;
const sizeOf = (samples: number): Size => ({
  ...{ samples, dimensions: DIMENSIONS, clusters: Math.floor(samples / 100) },
});
const quickSize: Size = { samples: 6000, dimensions: 256, clusters: 60 };
/** Doubled and halved along each of its sizes. */
const middle: Size = { samples: 30_000, dimensions: DIMENSIONS, clusters: 300 };
/** What a fit is counted as, seeding aside. */
const FIT_ITERATIONS = 25;

interface Wanted {
  about: string;
  kind: Samples;
  size: Size;
  task: KmeansConfiguration["task"];
  iterations: number;
}

function scaled(): Wanted[] {
  const sizes = (["samples", "clusters", "dimensions"] as const).flatMap((name) =>
    [0.5, 2].map((factor) => ({ ...middle, [name]: factor * middle[name] })),
  );
  const shared = { about: "scaling", kind: "features", task: "iterations", iterations: 5 } as const;
  return [middle, ...sizes].map((size) => ({ ...shared, size }));
}

function wantedOf(options: Options): Wanted[] {
  const size = options.quick ? quickSize : sizeOf(corpora.mri);
  const shared = { about: "mri", kind: "features", size, task: "iterations" } as const;
  const usual: Wanted[] = [
    { ...shared, iterations: 20 },
    { ...shared, task: "fit", iterations: FIT_ITERATIONS },
    { ...shared, kind: "uniform", iterations: 20 },
  ];
  if (options.quick) return usual;
  const others = Object.entries(corpora).filter(([name]) => name !== "mri");
  const iterations = onGpu(options) ? 20 : 2;
  const large = others.map(([about, samples]) => ({
    ...{ ...shared, about, size: sizeOf(samples), iterations },
  }));
  return [...usual, ...large, ...scaled()];
}

function contenders(configuration: KmeansConfiguration, options: Options): Contender[] {
  const { threads } = configuration;
  const peer = (library: string): Contender => ({
    name: library,
    command: peerWorker("kmeans", threads),
    configuration: { ...configuration, library },
  });
  const ours = { name: "medcoss", command: ourWorker("medcoss-kmeans", threads), configuration };
  if (!onGpu(options)) return [ours, peer("scikit-learn"), peer("faiss")];
  // Whole fits differ too much: the peers on a GPU seed in other ways.
  if (configuration.task === "fit") return [ours];
  return [ours, peer("pytorch"), peer("flash-kmeans")];
}

function planOf({ task, size }: Wanted): NonNullable<Variant["plan"]> {
  if (task === "fit") return { warmups: 1, rounds: 3, slowSeconds: 60 };
  return size.samples > 100_000 ? { warmups: 1, rounds: 3 } : { warmups: 1, rounds: 5 };
}

function variant(wanted: Wanted, folder: string, options: Options): Variant {
  const { about, kind, size, task, iterations } = wanted;
  const { samples, dimensions, clusters } = size;
  const path = join(folder, `${kind}-${samples}-${dimensions}-${clusters}.f32`);
  const { device, threads } = options;
  const configuration = { ...size, path, task, iterations, device, threads };
  return {
    case: `kmeans ${about}: ${task === "fit" ? "fit" : `${iterations} iterations`} ${kind} ${samples}x${dimensions}, ${clusters}`,
    contenders: contenders(configuration, options),
    baseline: onGpu(options) ? "pytorch" : "scikit-learn",
    samplesPerStep: task === "fit" ? samples : samples * iterations,
    flopsPerStep: 2 * samples * dimensions * clusters * iterations,
    ...(!onGpu(options) && { precision: "fp32" as const }),
    agreement: { inertia: onGpu(options) ? 1e-3 : 1e-4 },
    prepare: () => {
      if (!existsSync(path)) writeSamples(path, kind, size);
    },
    plan: planOf(wanted),
  };
}

/** The files are removed when the process ends. */
export function kmeansVariants(options: Options): Variant[] {
  const folder = mkdtempSync(join(tmpdir(), "medcoss-kmeans-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return wantedOf(options).map((wanted) => variant(wanted, folder, options));
}

export const kmeansMethod = [
  "Samples: `features`, clusters of exponential sizes with variances 1/i over the features; `uniform`, noise, the worst case",
  "Iterations start at evenly spaced samples, tolerance 0, and end with the labels of the last centres (faiss and the peers on a GPU: without)",
  "Fits: one run, tolerance 1e-4; scikit-learn and medcoss seed by greedy k-means++, faiss at random with 25 iterations over all samples",
  "TFLOP/s count every product of samples and centres; of a fit, 25 iterations and no seeding",
  "Before timing each contender's labels of one iteration equal those of float64 where the two nearest differ by 1e-5",
  "On a GPU the peers' samples lie there, in TF32 (`pytorch`, compiled) or float16 (`flash-kmeans`); medcoss uploads them in every run and gives float32's labels",
];
