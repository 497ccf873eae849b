/** Where a stage's batches come from, each a pure function of its step. */
import type { Batch, InputKind } from "../batch.js";
import type { Tokenizer } from "./tokenizer.js";

/** What masking asks of a tokenizer. */
export type WordPieces = Pick<Tokenizer, "special" | "vocabularySize" | "isContinuation">;

export interface WordMaskOptions {
  tokenizer: WordPieces;
  /** Whether padding takes part in the quota, as published, or real tokens only. */
  quota: "padded-length" | "real-tokens";
  /** Share of pieces to predict. */
  probability: number;
}

export interface CropOptions {
  /** Least and greatest share of the image's area. */
  scale: [number, number];
  /** Least and greatest width divided by height. */
  ratio: [number, number];
}

export interface BatchOptions {
  batchSize: number;
  seed: number;
  stage: number;
  /** Whether records are augmented. */
  training: boolean;
  sampling: "permutation" | "with-replacement";
  /** Stored colour images are RGB. */
  channelOrder: "rgb" | "bgr";
  /** Text: which pieces to predict; without it batches carry no labels. */
  wordMask?: WordMaskOptions;
  /** Images: random resized crop; without it the whole image. */
  crop?: CropOptions;
  /** Threads that make the batches of a store's data set; by default none but this one. */
  workers?: number;
}

export interface BatchSource {
  readonly kind: InputKind;
  readonly batchesPerEpoch: number;
  /** The batch of `step`, which is the `ordinal`-th of this source; by default the two are one. */
  batch(step: number, ordinal?: number): Promise<Batch>;
  /** Batches to ask for before the first of them is used. */
  readonly ahead: number;
  /** Which records of the dataset make up that batch, in order. */
  indices(step: number, ordinal?: number): Uint32Array;
}
