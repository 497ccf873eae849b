/**
 * The row of `metrics.jsonl`, and a figure that is gathered from many.
 */

/** One line of `metrics.jsonl`. */
export interface MetricRow {
  /** Time of the row, ISO 8601 in UTC. */
  time: string;
  /** Number of the stage, from 1. */
  stage: number;
  modality: string;
  kind: "plain" | "replay" | "validation";
  /** Epoch of the step, from 1; 0 before the first step. */
  epoch: number;
  /** Optimiser steps of the stage that are done. */
  step: number;
  /** That step's loss; of a validation row, the mean over the validation share. Null where it was not finite. */
  loss: number | null;
  lr: number;
  samplesPerSecond: number;
  /** Null in validation rows and where it was not finite. */
  gradientNorm: number | null;
  /** Milliseconds that the step waited for data. */
  waitMs: number;
}

/** A figure at the beginning of a stage and at its end. */
export interface BeforeAfter {
  before: number;
  after: number;
}
