/**
 * What the steps of a stage train on, one item after another.
 *
 * Invariant: the item of a step is a function of the step, so a stage can go on from any of them; a stream of
 * batches keeps to that by giving the same batches in the same order each time it is read.
 */
import type { Batch } from "../batch.js";
import { type BatchSource, prefetch } from "../data/batches.js";
import { type ItemCounts, itemOrder } from "./item-order.js";

/** One batch and what the step does with it. */
export interface Item {
  objective: "plain" | "replay";
  modality: string;
  /** 0-based step of the stage. */
  step: number;
  batch: Batch;
  /** Milliseconds that the item was waited for. */
  waitMs: number;
}

export interface ItemSource {
  /** Undefined where the data has no known end. */
  readonly stepsPerEpoch: number | undefined;
  /** Steps of the whole stage. */
  readonly steps: number;
  /** Those on the stage's own modality. */
  readonly ownSteps: number;
  /** The items of steps `from` to `to - 1`. */
  items(from: number, to: number): AsyncIterable<Item>;
  /** Names the samples of a step for an error. */
  samplesOf(step: number): string;
}

/** Batches of one modality. */
export interface Batches {
  modality: string;
  source: BatchSource;
}

/** A replayed modality, with its batches in an epoch. */
export interface ReplayedBatches extends Batches {
  perEpoch: number;
}

const NAMED_SAMPLES = 16;

function named(indices: Uint32Array, modality: string): string {
  const shown = [...indices.subarray(0, NAMED_SAMPLES)].join(", ");
  return `${shown}${indices.length > NAMED_SAMPLES ? " and more" : ""} of ${modality}`;
}

/**
 * Items of the stage's own modality, `ownSteps` of them, with those of earlier modalities on top. Own items are plain,
 * earlier ones replay.
 */
export function datasetItems(
  own: Batches,
  replayed: readonly ReplayedBatches[],
  ownSteps: number,
  key: { seed: number; stage: number },
): ItemSource {
  const counts: ItemCounts = {
    own: own.source.batchesPerEpoch,
    replayed: replayed.map(({ perEpoch }) => perEpoch),
  };
  const order = itemOrder(counts, ownSteps, key.seed, key.stage);
  const at = (step: number) => {
    const { source, ordinal } = order.turn(step);
    return { batches: source === 0 ? own : (replayed[source - 1] as Batches), ordinal };
  };
  return {
    stepsPerEpoch: order.stepsPerEpoch,
    steps: order.steps,
    ownSteps,
    async *items(from, to) {
      const batch = (step: number) => {
        const { batches, ordinal } = at(step);
        return batches.source.batch(step, ordinal);
      };
      for await (const loaded of prefetch({ batch, ahead: own.source.ahead }, from, to)) {
        const { batches } = at(loaded.step);
        const objective = batches === own ? "plain" : "replay";
        yield { objective, modality: batches.modality, ...loaded };
      }
    },
    samplesOf(step) {
      const { batches, ordinal } = at(step);
      return named(batches.source.indices(step, ordinal), batches.modality);
    },
  };
}

/** Plain items from a stream of batches; steps before `from` are read and dropped. */
export function streamItems(
  stream: AsyncIterable<Batch>,
  modality: string,
  steps: number,
): ItemSource {
  return {
    stepsPerEpoch: undefined,
    steps,
    ownSteps: steps,
    async *items(from, to) {
      let step = 0;
      let asked = performance.now();
      for await (const batch of stream) {
        const waitMs = performance.now() - asked;
        if (step >= from) yield { objective: "plain", modality, step, batch, waitMs };
        if (++step >= to) return;
        asked = performance.now();
      }
    },
    samplesOf: (step) => `batch ${step} of the stream`,
  };
}
