/**
 * The network of a stage, built from its configuration.
 */
import { nativeModelSize } from "../config/models.js";
import { nativeBehaviour } from "../config/presets.js";
import type { Training } from "../config/resolve.js";
import type { NativeStart, NativeTrainerOptions } from "../native/types.js";
import { Trainer } from "../trainer.js";

/** What the native trainer is made with. */
export function trainerOptions(
  training: Training,
  tokenizerVocabulary: number,
  stage: number,
  start: NativeStart,
  teacher: boolean,
): NativeTrainerOptions {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = training.behaviour.optimizer;
  return {
    size: nativeModelSize(training.model, tokenizerVocabulary),
    behaviour: nativeBehaviour(training.behaviour, training.recompute),
    optimizer: { beta1, beta2, epsilon, weightDecay, maxGradientNorm },
    device: training.device,
    precision: training.precision,
    accumulate: training.accumulate,
    graphs: training.graphs,
    seed: training.seed,
    stage,
    start,
    ...(teacher && { teacher: { kind: "start" } }),
  };
}

/** Builds the network, with a frozen copy of its start for replay steps if `teacher`; throws E_NO_CUDA, E_CHECKPOINT_SHAPE and others of the registry. */
export function createTrainer(
  training: Training,
  tokenizerVocabulary: number,
  stage: number,
  start: NativeStart,
  teacher = false,
): Promise<Trainer> {
  return Trainer.create(trainerOptions(training, tokenizerVocabulary, stage, start, teacher));
}
