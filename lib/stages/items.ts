/**
 * What the steps of a stage train on, one item after another.
 *
 * Invariant: the item of a step is a function of the step, so a stage can go on from any of them; a stream of
 * batches keeps to that by giving the same batches in the same order each time it is read.
 */
import type { Batch } from "../batch.js";
import { type BatchSource, prefetch } from "../data/batches.js";

/** One batch and what the step does with it. */
export interface Item {
  objective: "plain" | "replay";
  /** 0-based step of the stage. */
  step: number;
  batch: Batch;
  /** Milliseconds that the item was waited for. */
  waitMs: number;
}

export interface ItemSource {
  /** Undefined where the data has no known end. */
  readonly stepsPerEpoch: number | undefined;
  /** The items of steps `from` to `to - 1`. */
  items(from: number, to: number): AsyncIterable<Item>;
  /** Names the samples of a step for an error. */
  samplesOf(step: number): string;
}

const NAMED_SAMPLES = 16;

/** Plain items from a source of batches. */
export function plainItems(source: BatchSource): ItemSource {
  return {
    stepsPerEpoch: source.batchesPerEpoch,
    async *items(from, to) {
      for await (const loaded of prefetch(source, from, to)) {
        yield { objective: "plain", ...loaded };
      }
    },
    samplesOf(step) {
      const indices = [...source.indices(step)];
      const named = indices.slice(0, NAMED_SAMPLES).join(", ");
      return indices.length > NAMED_SAMPLES ? `${named} and more` : named;
    },
  };
}

/** Plain items from a stream of batches; steps before `from` are read and dropped. */
export function streamItems(stream: AsyncIterable<Batch>): ItemSource {
  return {
    stepsPerEpoch: undefined,
    async *items(from, to) {
      let step = 0;
      let asked = performance.now();
      for await (const batch of stream) {
        const waitMs = performance.now() - asked;
        if (step >= from) yield { objective: "plain", step, batch, waitMs };
        if (++step >= to) return;
        asked = performance.now();
      }
    },
    samplesOf: (step) => `batch ${step} of the stream`,
  };
}
