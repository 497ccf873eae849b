/**
 * What stages report: summaries of stages and runs, and the hooks a caller may give.
 */
import type { MetricRow } from "../metrics/types.js";

export type { MetricRow };

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
