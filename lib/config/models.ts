/**
 * Model sizes as data (reference: MedCoSS, CVPR 2024; `base` is the published network).
 *
 * Invariant: every size takes the same inputs, so one store serves all of them.
 */
import type { NativeModelSize } from "../native/types.js";

/** Rows of the published token table, kept in `base` so that its checkpoints fit both ways. */
export const PUBLISHED_VOCABULARY = 49411;

/** A network's dimensions. Without `vocabulary` the tokenizer's is taken. */
export type ModelSize = Omit<NativeModelSize, "vocabulary"> & { vocabulary?: number };

const inputs = {
  imageSize: 224,
  volumeSize: [16, 192, 192] as [number, number, number],
  textLength: 112,
};

function size(
  encoder: readonly [width: number, layers: number, heads: number],
  decoder: readonly [width: number, layers: number, heads: number],
): ModelSize {
  return {
    encoderWidth: encoder[0],
    encoderLayers: encoder[1],
    encoderHeads: encoder[2],
    decoderWidth: decoder[0],
    decoderLayers: decoder[1],
    decoderHeads: decoder[2],
    ...inputs,
    volumeSize: [...inputs.volumeSize],
  };
}

/** Named sizes; each call returns a fresh object. */
export const models = {
  /** 192 x 4 and 128 x 2: minutes on a laptop. */
  tiny: () => size([192, 4, 3], [128, 2, 4]),
  /** 384 x 12 and 256 x 4. */
  small: () => size([384, 12, 6], [256, 4, 8]),
  /** 768 x 12 and 512 x 8, the published network with its vocabulary of 49,411. */
  base: (): ModelSize => ({
    ...size([768, 12, 12], [512, 8, 16]),
    vocabulary: PUBLISHED_VOCABULARY,
  }),
  /** 1024 x 24 and 512 x 8. */
  large: () => size([1024, 24, 16], [512, 8, 16]),
} as const;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as ModelName[];

/** The size with its vocabulary settled: its own, else that of the tokenizer. */
export function nativeModelSize(model: ModelSize, tokenizerVocabulary: number): NativeModelSize {
  return { ...model, vocabulary: model.vocabulary ?? tokenizerVocabulary };
}
