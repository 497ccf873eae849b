/**
 * The data of one stage: items to train on, batches to validate on, samples to draw.
 *
 * Invariant: every misfit between data, batch size and network is found here, before a network is built.
 */
import type { Batch, InputKind } from "../batch.js";
import type { ModelSize } from "../config/models.js";
import type { Training } from "../config/resolve.js";
import {
  type BatchOptions,
  type BatchSource,
  trainingBatches,
  validationBatches,
} from "../data/batches.js";
import type { Dataset, RecordFormat } from "../data/dataset.js";
import type { Tokenizer } from "../data/tokenizer.js";
import { MedcossError } from "../errors.js";
import { type ItemSource, plainItems, streamItems } from "./items.js";
import { takeSamples } from "./samples.js";
import { type Validation, validationOf } from "./validation.js";

export interface StageData {
  /** Undefined for a stream, whose end is not known. */
  trainingSamples: number | undefined;
  items: ItemSource;
  validation?: Validation;
  /** A few samples without augmentation, for pictures. */
  preview(count: number): Promise<Batch | undefined>;
  tokenizer?: Tokenizer;
  /** Changes when the samples change. */
  digest?: string;
}

export interface DatasetParts {
  modality: string;
  stage: number;
  train: Dataset;
  validation?: Dataset;
  tokenizer?: Tokenizer;
  digest?: string;
}

function misfit(modality: string, field: string, has: string, wants: string): MedcossError {
  return new MedcossError("E_CONFIG", {
    field,
    problem: `the records of ${modality} have ${has}, the model takes ${wants}`,
  });
}

/** Refuses records that the network cannot take. Images of any size are resized. */
export function checkRecord(
  modality: string,
  kind: InputKind,
  record: RecordFormat,
  model: ModelSize,
): void {
  const shape = record.shape.join("x");
  if (kind === "text" && (record.shape[0] as number) > model.textLength) {
    throw misfit(modality, "model.textLength", `${shape} tokens`, `${model.textLength}`);
  }
  if (kind === "volume3d" && shape !== model.volumeSize.join("x")) {
    throw misfit(modality, "model.volumeSize", `${shape} voxels`, model.volumeSize.join("x"));
  }
}

/** Refuses a batch that the training share cannot fill. */
export function checkBatchSize(modality: string, batch: number, samples: number): void {
  if (batch > samples) throw new MedcossError("E_BATCH_TOO_LARGE", { batch, samples, modality });
}

function batchOptions(parts: DatasetParts, training: Training): BatchOptions {
  const { masking, images, sampling } = training.behaviour;
  return {
    batchSize: training.batchSize,
    seed: training.seed,
    stage: parts.stage,
    training: true,
    sampling: parts.stage > 1 ? sampling.current : "permutation",
    channelOrder: images.channelOrder,
    crop: { scale: images.cropScale, ratio: images.cropRatio },
    wordMask: parts.tokenizer && {
      tokenizer: parts.tokenizer,
      quota: masking.quota,
      probability: masking.words,
    },
  };
}

function validationSource(parts: DatasetParts, options: BatchOptions): BatchSource | undefined {
  if (!parts.validation || parts.validation.length === 0) return undefined;
  return validationBatches(parts.validation, options);
}

/** Stage data from datasets; throws E_BATCH_TOO_LARGE and E_CONFIG. */
export function datasetData(parts: DatasetParts, training: Training): StageData {
  const { modality, train, tokenizer, digest } = parts;
  checkRecord(modality, train.kind, train.record, training.model);
  checkBatchSize(modality, training.batchSize, train.length);
  const options = batchOptions(parts, training);
  const source = validationSource(parts, options);
  const shown = source ? (parts.validation as Dataset) : train;
  return {
    trainingSamples: train.length,
    items: plainItems(trainingBatches(train, options)),
    validation: source && validationOf(source),
    preview: (count) => {
      const batchSize = Math.min(count, shown.length);
      return validationBatches(shown, { ...options, batchSize }).batch(0);
    },
    tokenizer,
    digest,
  };
}

/** Stage data from a stream of batches, with a dataset to validate on where there is one. */
export function streamData(
  stream: AsyncIterable<Batch>,
  parts: Omit<DatasetParts, "train">,
  training: Training,
): StageData {
  let latest: Batch | undefined;
  const watched = async function* () {
    for await (const batch of stream) {
      latest = batch;
      yield batch;
    }
  };
  const options = batchOptions({ ...parts, train: undefined as never }, training);
  const source = parts.validation && validationBatches(parts.validation, options);
  return {
    trainingSamples: undefined,
    items: streamItems(watched()),
    validation: source && validationOf(source),
    preview: async (count) => latest && takeSamples(latest, count),
    tokenizer: parts.tokenizer,
  };
}
