/**
 * The loss on the validation share.
 *
 * Invariant: every pass sees the same samples under the same masks, so two passes differ by the weights alone.
 */
import { type BatchSource, prefetch, VALIDATION_STAGE } from "../data/batches.js";
import type { Trainer } from "../trainer.js";

export interface ValidationResult {
  /** Mean over samples. */
  loss: number;
  samplesPerSecond: number;
  waitMs: number;
}

export interface Validation {
  /** One pass; `between` runs before each batch and may throw. */
  run(trainer: Trainer, between: () => Promise<void>): Promise<ValidationResult>;
}

export function validationOf(source: BatchSource): Validation {
  return {
    async run(trainer, between) {
      const total = { loss: 0, samples: 0, waitMs: 0 };
      const start = performance.now();
      for await (const { step, batch, waitMs } of prefetch(source, 0, source.batchesPerEpoch)) {
        await between();
        const key = { stage: VALIDATION_STAGE, step };
        const result = await trainer.evaluate(batch, key);
        total.loss += result.loss * result.samples;
        total.samples += result.samples;
        total.waitMs += waitMs;
      }
      const seconds = (performance.now() - start) / 1000;
      return {
        loss: total.loss / total.samples,
        samplesPerSecond: total.samples / seconds,
        waitMs: total.waitMs,
      };
    },
  };
}
