/**
 * What stages report: summaries of stages and runs, and the hooks a caller may give.
 */
import type { BeforeAfter, MetricRow } from "../metrics/types.js";
import type { ReplayProgress } from "../replay/features.js";

export type { BeforeAfter, MetricRow };

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
  /** Steps of the whole stage, replay among them. */
  steps: number;
  /** Steps already done when a run goes on. */
  done: number;
}

/** How far a finished stage has got with its buffer. */
export interface BufferProgress extends ReplayProgress {
  stage: number;
  modality: string;
}

/** `summary.json` of a stage. */
export interface StageResult {
  stage: number;
  modality: string;
  /** Plain and replay steps together. */
  steps: number;
  replaySteps: number;
  epochs: number;
  /** Samples trained on, counted with repetition; of a stream, as if all of its batches were as large as the last. */
  samples: number;
  /** Mean loss of the first and of the last tenth of the plain steps (at most 10 each). */
  trainingLoss: BeforeAfter;
  /** The same of the replay steps: the distance to the features of the stage's start. */
  replayLoss?: BeforeAfter;
  /** Before the first and after the last step; absent without a validation share. */
  validationLoss?: BeforeAfter;
  /** Steps whose loss was not finite and which changed nothing. */
  skippedSteps: number;
  samplesPerSecond: number;
  seconds: number;
  /** Folder of the last checkpoint, relative to the run folder. */
  checkpoint: string;
  /** File of the stage's buffer, relative to the run folder; absent for a stream. */
  buffer?: string;
  /** SHA-256 of that file. */
  bufferDigest?: string;
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
  /** While a finished stage's buffer is chosen. */
  onBuffer?(progress: BufferProgress): void;
  onEpoch?(row: EpochRow): void;
}
