/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The public interface of medcoss.
 */
export type { Batch, ImageBatch, InputKind, StepKey, TextBatch, VolumeBatch } from "./batch.js";
export { type Behaviour, behaviourSchema } from "./config/behaviour.js";
export type { Budget, BufferOptions, SelectionMethod } from "./config/buffer.js";
export type {
  BufferConfig,
  EmbedConfig,
  EncoderExport,
  ReconstructConfig,
} from "./config/features.js";
export { jsonSchema, schemas } from "./config/json-schema.js";
export { type ModelName, type ModelSize, models } from "./config/models.js";
export type { PackConfig } from "./config/pack.js";
export { type PresetName, presets } from "./config/presets.js";
export { learningRateAt, type Schedule, stageHorizon } from "./config/schedule.js";
export { augmentImages } from "./data/augment-images.js";
export type { Dataset, RecordFormat, RecordView } from "./data/dataset.js";
export { type PackHooks, type PackResult, pack } from "./data/pack/index.js";
export { type ModalityInfo, openStore, type Part, type Store } from "./data/store.js";
export { loadTokenizer, type Tokenizer } from "./data/tokenizer.js";
export { type ErrorCode, ExitCode, MedcossError } from "./errors.js";
export { buildBuffer } from "./features/buffer.js";
export { type Embeddings, embed } from "./features/embed.js";
export { exportEncoder } from "./features/encoder.js";
export { type ExportConfig, type Exported, exportBuffer } from "./features/export.js";
export { type Reconstructed, reconstruct } from "./features/reconstruct.js";
export { type Buffer, type BufferSample, readBuffer, writeBuffer } from "./replay/buffer-file.js";
export type { ReplayHooks, ReplayProgress } from "./replay/features.js";
export { capBuffer, mergeBuffers } from "./replay/merge.js";
export { type DryRun, dryRun } from "./stages/dry-run.js";
export { type PretrainConfig, pretrain, pretrainSteps } from "./stages/pretrain.js";
export { type StageConfig, stageSteps, trainStage } from "./stages/train-stage.js";
export type {
  BeforeAfter,
  EpochRow,
  Hooks,
  MetricRow,
  RunResult,
  StageResult,
  StageStart,
} from "./stages/types.js";
export {
  buildInfo,
  type Reconstruction,
  type StepOptions,
  type StepResult,
  Trainer,
  type TrainerConfig,
} from "./trainer.js";
