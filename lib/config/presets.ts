/**
 * The two presets: `published` as the reference implementation ran, `corrected` (default) without its quirks.
 *
 * Invariant: a preset holds every behaviour option but those that may be absent, so two resolved configurations can be
 * compared field by field.
 */
import type { NativeBehaviour } from "../native/types.js";
import { type Behaviour, behaviourSchema } from "./behaviour.js";

/** What the published code has as constants; the same in both presets. */
const constants = {
  encoder: { dropPath: 0.1 },
  masking: { ratio: 0.75, words: 0.15 },
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.05 },
  images: { channelOrder: "bgr", cropScale: [0.2, 1], cropRatio: [3 / 4, 4 / 3] },
} as const;

const published = {
  ...constants,
  attention: { text: "causal", textMask: "tiled" },
  teacher: { mode: "train" },
  features: { mode: "train", padding: "included", maskOneToken: true },
  decoder: { positions: "learned-from-zero", textPosition: true },
  temporalPosition: "random",
  masking: { ...constants.masking, quota: "padded-length" },
  distillation: { padding: "included", text: "corrupted" },
  mixup: { text: "tokens-and-padding" },
  sampling: { current: "with-replacement", smallBuffers: "left-out" },
  optimizer: { ...constants.optimizer, idleParameters: "move" },
} as const;

const corrected = {
  ...constants,
  attention: { text: "bidirectional", textMask: "own" },
  teacher: { mode: "eval" },
  features: { mode: "eval", padding: "excluded", maskOneToken: false },
  decoder: { positions: "sincos", textPosition: false },
  temporalPosition: "zero",
  masking: { ...constants.masking, quota: "real-tokens" },
  distillation: { padding: "excluded", text: "clean" },
  mixup: { text: "real-spans" },
  sampling: { current: "permutation", smallBuffers: "one-batch" },
  optimizer: { ...constants.optimizer, idleParameters: "rest" },
} as const;

/** Named presets; each call returns a fresh object. */
export const presets = {
  published: (): Behaviour => behaviourSchema.parse(published),
  corrected: (): Behaviour => behaviourSchema.parse(corrected),
} as const;

export type PresetName = keyof typeof presets;
export const presetNames = Object.keys(presets) as PresetName[];

/** The part of a behaviour that acts inside a native step. */
export function nativeBehaviour(behaviour: Behaviour, recompute = false): NativeBehaviour {
  return {
    ...(recompute && { blocks: "recomputed" as const }),
    attentionText: behaviour.attention.text,
    attentionTextMask: behaviour.attention.textMask,
    teacherMode: behaviour.teacher.mode,
    featuresMode: behaviour.features.mode,
    featuresPadding: behaviour.features.padding,
    decoderPositions: behaviour.decoder.positions,
    decoderTextPosition: behaviour.decoder.textPosition,
    temporalPosition: behaviour.temporalPosition,
    distillationPadding: behaviour.distillation.padding,
    mixupText: behaviour.mixup.text,
    idleParameters: behaviour.optimizer.idleParameters,
    maskRatio: behaviour.masking.ratio,
    dropPath: behaviour.encoder.dropPath,
  };
}
