/**
 * Pooled features of every record of a dataset: mean over encoder tokens, nothing masked (reference section 4).
 *
 * Invariant: in evaluation mode a feature depends on its record and the weights alone; otherwise on (seed, stage,
 * batch number) too.
 */
import type { Behaviour } from "../config/behaviour.js";
import { type BatchOptions, prefetch, validationBatches } from "../data/batches.js";
import type { Dataset } from "../data/dataset.js";
import type { Tokenizer } from "../data/tokenizer.js";
import { MedcossError } from "../errors.js";
import type { Trainer } from "../trainer.js";
import type { FeatureTable } from "./feature-table.js";

/** How far a long piece of work has got. */
export interface ReplayProgress {
  /** `features`: samples; `selection`: runs of k-means, or samples chosen one by one. */
  phase: "features" | "selection";
  done: number;
  total: number;
}

export interface ReplayHooks {
  /** Stops between two batches, or two runs of k-means, with E_ABORTED. */
  signal?: AbortSignal;
  onProgress?(progress: ReplayProgress): void;
}

export interface FeatureInput extends ReplayHooks {
  trainer: Pick<Trainer, "features">;
  dataset: Dataset;
  modality: string;
  stage: number;
  seed: number;
  behaviour: Behaviour;
  batchSize: number;
  /** Needed for texts where `features.maskOneToken` is on. */
  tokenizer?: Tokenizer;
}

/** Throws E_ABORTED once the signal says so. */
export function refuseAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new MedcossError("E_ABORTED", { what });
}

function batchOptions(input: FeatureInput): BatchOptions {
  const { batchSize, seed, stage, behaviour, tokenizer } = input;
  const wordMask = behaviour.features.maskOneToken && tokenizer !== undefined;
  return {
    batchSize,
    seed,
    stage,
    training: false,
    sampling: "permutation",
    channelOrder: behaviour.images.channelOrder,
    wordMask: wordMask ? { tokenizer, quota: "padded-length", probability: 0 } : undefined,
  };
}

/** Samples whose features are all finite, in order; throws E_FEATURES where there is none. */
export function finiteSamples(
  { values, samples, width }: FeatureTable,
  modality: string,
): number[] {
  const finite: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    if (values.subarray(sample * width, (sample + 1) * width).every(Number.isFinite)) {
      finite.push(sample);
    }
  }
  if (finite.length === 0) throw new MedcossError("E_FEATURES", { modality, sample: 0 });
  return finite;
}

/** The rows of `samples`; the table itself where they are all of them. */
export function rowsOf(table: FeatureTable, samples: readonly number[]): FeatureTable {
  const { values, width } = table;
  if (samples.length === table.samples) return table;
  const rows = new Float32Array(samples.length * width);
  for (const [at, sample] of samples.entries()) {
    rows.set(values.subarray(sample * width, (sample + 1) * width), at * width);
  }
  return { values: rows, samples: samples.length, width };
}

/**
 * Features [length, encoder width] of a dataset in its order, one batch read ahead. 4 bytes x width for each record are
 * held. Throws E_ABORTED, E_ARGUMENT where the dataset is empty.
 */
export async function extractFeatures(input: FeatureInput): Promise<FeatureTable> {
  const { trainer, dataset, modality, stage, signal, onProgress } = input;
  const samples = dataset.length;
  if (samples === 0) {
    const values = { expected: "at least one record", argument: modality, received: 0 };
    throw new MedcossError("E_ARGUMENT", values);
  }
  const source = validationBatches(dataset, batchOptions(input));
  let table: FeatureTable | undefined;
  let done = 0;
  for await (const { step, batch } of prefetch(source, 0, source.batchesPerEpoch)) {
    refuseAborted(signal, `the features of ${modality}`);
    const features = await trainer.features(batch, { stage, step });
    const count = source.indices(step).length;
    const width = features.length / count;
    table ??= { values: new Float32Array(samples * width), samples, width };
    table.values.set(features, done * width);
    done += count;
    onProgress?.({ phase: "features", done, total: samples });
  }
  return table as FeatureTable;
}
