/**
 * The options of a replay buffer: how many samples of a modality are kept, and which.
 *
 * Invariant: the defaults are the published values; a method's name here has its function in `replay/selection.ts`.
 */
import { z } from "zod";
import { MedcossError } from "../errors.js";

/** Methods that choose the samples of a buffer. */
export const selectionNames = ["kmeans", "random", "herding"] as const;
export type SelectionMethod = (typeof selectionNames)[number];

const UNITS: Record<string, number> = {
  ...{ B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ kiB: 2 ** 10, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};
const budgetPattern = /^(\d+(?:\.\d+)?)\s*(samples|B|[kKMGT]i?B)$/;

/** Most samples of a buffer, or most bytes of their records in the store. */
export type Budget = number | string;

const budget = z
  .union([
    z.int().positive(),
    z.string().regex(budgetPattern, "Expected a number of samples or a size such as 200MB"),
  ])
  .optional();

/** The options as fields, to be part of other schemas. */
export const bufferFields = {
  method: z
    .enum(selectionNames)
    .default("kmeans")
    .describe("Which samples are kept: nearest to k-means centres, at random, or by herding."),
  share: z
    .number()
    .gt(0)
    .max(1)
    .default(0.05)
    .describe("Share of the training samples that is kept; at least one sample is."),
  centres: z
    .number()
    .gt(0)
    .max(1)
    .default(0.01)
    .describe("Centres of k-means as a share of the training samples; at least one."),
  restarts: z
    .int()
    .positive()
    .max(65536)
    .default(10)
    .describe("Runs of k-means from new seeds, of which the one with the least inertia counts."),
  maxIterations: z
    .int()
    .positive()
    .max(1_000_000)
    .default(300)
    .describe("Most iterations of a run of k-means."),
  tolerance: z
    .number()
    .min(0)
    .max(1)
    .default(1e-4)
    .describe("Movement of the centres, relative to the features' variance, that ends a run."),
  budget: budget.describe(
    "Most samples of a buffer (`500`), or most bytes of their records in the store (`200MB`).",
  ),
};

/** The field `buffer` of a stage or run. */
export const bufferOptionsSchema = z.strictObject(bufferFields).prefault({});
export type BufferOptions = z.output<typeof bufferOptionsSchema>;

/** Samples that a budget allows where one record takes `recordBytes`; throws E_CONFIG. */
export function budgetSamples(wanted: Budget, recordBytes: number): number {
  if (!budget.safeParse(wanted).success) {
    const problem = `expected a number of samples or a size such as 200MB, received ${wanted}`;
    throw new MedcossError("E_CONFIG", { field: "budget", problem });
  }
  if (typeof wanted === "number") return wanted;
  const [, number = "0", unit = "samples"] = budgetPattern.exec(wanted) ?? [];
  const bytes = UNITS[unit];
  const samples = bytes === undefined ? Number(number) : (Number(number) * bytes) / recordBytes;
  if (samples >= 1) return Math.floor(samples);
  const problem = `${wanted} is less than one sample of ${recordBytes} bytes`;
  throw new MedcossError("E_CONFIG", { field: "budget", problem });
}
