/**
 * The data of one stage: items to train on, batches to validate on, samples to draw.
 *
 * Invariant: every misfit between data, batch size and network is found here, before a network is built.
 */
import type { Batch, InputKind } from "../batch.js";
import type { ModelSize } from "../config/models.js";
import type { Training } from "../config/resolve.js";
import { stageHorizon } from "../config/schedule.js";
import {
  type BatchOptions,
  type BatchSource,
  trainingBatches,
  validationBatches,
} from "../data/batches.js";
import type { Dataset, RecordFormat } from "../data/dataset.js";
import { spread } from "../data/spread.js";
import type { Tokenizer } from "../data/tokenizer.js";
import { MedcossError } from "../errors.js";
import { datasetItems, type ItemSource, type ReplayedBatches, streamItems } from "./items.js";
import { sampleCount, takeSamples } from "./samples.js";
import { type Validation, validationOf } from "./validation.js";

/** What the stage's buffer is chosen from. */
export interface ChosenFrom {
  dataset: Dataset;
  /** The number under which a buffer names the dataset's `index`-th record. */
  recordNumber(index: number): number;
  digest: string;
}

export interface StageData {
  /** Undefined for a stream, whose end is not known. */
  trainingSamples: number | undefined;
  items: ItemSource;
  /** Samples of a step; of a stream, those of the batch that was read last. */
  batchSize(): number;
  /** Whether there are replay items, for which the network needs a teacher. */
  replays: boolean;
  /** Undefined for a stream, which cannot be read again. */
  chosenFrom?: ChosenFrom;
  validation?: Validation;
  /** A few samples without augmentation, for pictures. */
  preview(count: number): Promise<Batch | undefined>;
  tokenizer?: Tokenizer;
  /** Changes when the samples change, the replayed ones among them. */
  digest?: string;
}

export interface DatasetParts {
  modality: string;
  stage: number;
  train: Dataset;
  validation?: Dataset;
  tokenizer?: Tokenizer;
  digest?: string;
  /** By default a record's number is its index. */
  recordNumber?(index: number): number;
}

/** An earlier modality as a stage replays it. */
export interface ReplayParts {
  modality: string;
  dataset: Dataset;
  tokenizer?: Tokenizer;
  /** Changes when the samples change. */
  digest: string;
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

/** Refuses a batch that a stage's training share cannot fill, with all such stages: E_BATCH_TOO_LARGE, E_NO_DATA. */
export function checkBatchSize(
  batch: number,
  stages: ReadonlyArray<Pick<DatasetParts, "modality" | "train">>,
): void {
  const small = stages.filter(({ train }) => train.length < batch);
  if (small.length === 0) return;
  const empty = small.filter(({ train }) => train.length === 0);
  if (empty.length > 0) {
    const inputs = empty.map(({ modality }) => modality).join(", ");
    throw new MedcossError("E_NO_DATA", { inputs, problem: "no sample is for training" });
  }
  const named = small.map(({ modality, train }) => `${modality} (${train.length})`).join(", ");
  const most = Math.min(...small.map(({ train }) => train.length));
  throw new MedcossError("E_BATCH_TOO_LARGE", { batch, stages: named, most });
}

type Keyed = Pick<DatasetParts, "stage" | "tokenizer">;

function batchOptions(parts: Keyed, training: Training): BatchOptions {
  const { masking, images, sampling } = training.behaviour;
  return {
    batchSize: training.batchSize,
    seed: training.seed,
    stage: parts.stage,
    training: true,
    sampling: parts.stage > 1 ? sampling.current : "permutation",
    channelOrder: images.channelOrder,
    crop: { scale: images.cropScale, ratio: images.cropRatio },
    workers: training.workers,
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

/** Batches of an epoch that a buffer of `samples` gives. */
export function replayBatchCount(samples: number, training: Training): number {
  const least = training.behaviour.sampling.smallBuffers === "one-batch" ? 1 : 0;
  return samples === 0 ? 0 : Math.max(least, Math.floor(samples / training.batchSize));
}

/** Replayed batches; always drawn with replacement, their texts with masked words or without as the preset says. */
export function replayBatches(
  parts: ReplayParts,
  stage: number,
  training: Training,
): ReplayedBatches {
  const { modality, dataset } = parts;
  checkRecord(modality, dataset.kind, dataset.record, training.model);
  const corrupted = training.behaviour.distillation.text === "corrupted";
  const tokenizer = corrupted ? parts.tokenizer : undefined;
  const options = batchOptions({ stage, tokenizer }, training);
  const source = trainingBatches(dataset, { ...options, sampling: "with-replacement" });
  return { modality, source, perEpoch: replayBatchCount(dataset.length, training) };
}

function joinedDigest(digest: string | undefined, replayed: readonly ReplayParts[]) {
  return digest && [digest, ...replayed.map((each) => each.digest)].join("+");
}

/** Stage data from datasets and the buffers of earlier stages; throws E_BATCH_TOO_LARGE, E_NO_DATA and E_CONFIG. */
export function datasetData(
  parts: DatasetParts,
  training: Training,
  replayed: readonly ReplayParts[] = [],
): StageData {
  const { modality, stage, train, tokenizer, digest } = parts;
  checkRecord(modality, train.kind, train.record, training.model);
  checkBatchSize(training.batchSize, [parts]);
  const options = batchOptions(parts, training);
  const own = { modality, source: trainingBatches(train, options) };
  const ownSteps = stageHorizon(training.epochs, own.source.batchesPerEpoch, training.maxSteps);
  const replay = replayed
    .map((each) => replayBatches(each, stage, training))
    .filter(({ perEpoch }) => perEpoch > 0);
  const source = validationSource(parts, options);
  const shown = source ? (parts.validation as Dataset) : train;
  return {
    trainingSamples: train.length,
    items: datasetItems(own, replay, ownSteps, { seed: training.seed, stage }),
    batchSize: () => training.batchSize,
    replays: replay.length > 0,
    chosenFrom: {
      dataset: train,
      recordNumber: (index) => parts.recordNumber?.(index) ?? index,
      digest: digest ?? "",
    },
    validation: source && validationOf(source),
    preview: (count) =>
      validationBatches(spread(shown, count), { ...options, batchSize: count }).batch(0),
    tokenizer,
    digest: joinedDigest(digest, replayed),
  };
}

function streamSteps(training: Training): number {
  if (training.maxSteps !== undefined) return training.maxSteps;
  throw new MedcossError("E_CONFIG", {
    field: "maxSteps",
    problem: "a stream of batches has no length, so the number of steps must be given",
  });
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
  const options = batchOptions(parts, training);
  const source = parts.validation && validationBatches(parts.validation, options);
  return {
    trainingSamples: undefined,
    items: streamItems(watched(), parts.modality, streamSteps(training)),
    batchSize: () => (latest ? sampleCount(latest) : training.batchSize),
    replays: false,
    validation: source && validationOf(source),
    preview: async (count) => latest && takeSamples(latest, count),
    tokenizer: parts.tokenizer,
  };
}
