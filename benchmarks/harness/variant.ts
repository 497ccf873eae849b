/**
 * What a case asks to be measured, and what comes of it.
 *
 * Invariant: a variant is a description; nothing is made or started before it is measured.
 */
import type { Precision } from "./peak.js";
import type { Command } from "./worker.js";

export interface Contender {
  name: string;
  command: Command;
  configuration: unknown;
  /**
   * `compared` (default): its outcome must be the others'. `own`: it computes something else and compares that itself.
   * `none`: another one's code with a part of the work taken away.
   */
  check?: "compared" | "own" | "none";
  /** Operations of the matrix products that it executes in a step; the variant's by default. */
  executedFlops?: number;
}

/** What every contender computes from the same generated inputs, by name. */
export type Outcome = Record<string, number>;

export interface Variant {
  /** Name of the case with everything that tells it apart. */
  case: string;
  contenders: Contender[];
  /** Name of the contender that the others' speeds are divided by and whose outcome is right. */
  baseline: string;
  samplesPerStep: number;
  /** Floating-point operations of one step, as stated by the case. */
  flopsPerStep: number;
  /** Of the matrix product that gives the machine's peak; none where the case multiplies no matrices. */
  precision?: Precision;
  /** Bytes that every contender holds between steps; peaks are also told without them and the libraries. */
  stateBytes?: number;
  /** Largest relative difference of each quantity of the outcome. */
  agreement: Record<string, number>;
  /** Makes the files that contenders read. */
  prepare?(): void | Promise<void>;
  /** Contenders start and agree all at once and take turns without a pause: they share no cores. */
  together?: boolean;
  /** Where the case needs other numbers of rounds than the run. */
  plan?: Partial<Plan>;
}

export interface Plan {
  warmups: number;
  rounds: number;
  /** A contender whose warm-up took longer is not run again: that step is its only sample. */
  slowSeconds: number;
  /** Variants' own numbers of rounds do not count. */
  fixed?: true;
}

export interface Row {
  case: string;
  contender: string;
  samplesPerSecond: number;
  /** Seconds of a step. */
  median: number;
  iqr: number;
  steps: number;
  /** Largest resident set of the steps, warm-up included, checks left out. */
  peakRssBytes: number;
  /** Peak without the libraries and the variant's `stateBytes`. */
  beyondStateBytes?: number;
  /** The most that was held of a GPU's memory. */
  peakDeviceBytes?: number;
  /** The variant's operations over seconds, whatever the contender leaves out. */
  tflops: number;
  /** Executed operations over seconds as a share of `peakTflops`. */
  share?: number;
  /** A matrix product in this precision, measured between the rounds. */
  peakTflops?: number;
  /** Samples per second over the baseline's; none where that was not timed, or nothing else was. */
  ratio?: number;
  baseline?: string;
  version: string;
  threads: number;
  note?: string;
}

/** A contender that was not timed to the end, and why. */
export interface Refusal {
  case: string;
  contender: string;
  reason: string;
  /** The minutes that were given were over: no failure. */
  forLackOfTime?: true;
}

export interface Measured {
  rows: Row[];
  refused: Refusal[];
}
