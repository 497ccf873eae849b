/**
 * What stages report: rows of `metrics.jsonl`, summaries of stages and runs, and the hooks a caller may give.
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

/** Given to `onEpoch` after each epoch. */
export interface EpochRow {
  stage: number;
  modality: string;
  epoch: number;
  step: number;
  /** Mean training loss of the epoch's steps. */
  trainingLoss: number;
  /** Loss on the validation share, where there is one. */
  validationLoss?: number;
}

export interface StageStart {
  stage: number;
  modality: string;
  /** Steps of the whole stage. */
  steps: number;
  /** Steps already done when a run goes on. */
  done: number;
}

export interface BeforeAfter {
  before: number;
  after: number;
}

/** `summary.json` of a stage. */
export interface StageResult {
  stage: number;
  modality: string;
  steps: number;
  epochs: number;
  /** Samples trained on, counted with repetition. */
  samples: number;
  /** Mean loss of the first and of the last tenth of the steps (at most 10 each). */
  trainingLoss: BeforeAfter;
  /** Before the first and after the last step; absent without a validation share. */
  validationLoss?: BeforeAfter;
  /** Steps whose loss was not finite and which changed nothing. */
  skippedSteps: number;
  samplesPerSecond: number;
  seconds: number;
  /** Folder of the last checkpoint, relative to the run folder. */
  checkpoint: string;
  /** Pictures, relative to the run folder. */
  reconstructions: string[];
}

export interface RunResult {
  /** The run folder. */
  out: string;
  stages: StageResult[];
  /** True where the run was finished already and nothing was done. */
  alreadyFinished: boolean;
}

/** What a caller can watch and stop. */
export interface Hooks {
  /** Stops after the running step; a checkpoint is saved and E_INTERRUPTED thrown. */
  signal?: AbortSignal;
  onStage?(start: StageStart): void;
  onStep?(row: MetricRow): void;
  onEpoch?(row: EpochRow): void;
}
