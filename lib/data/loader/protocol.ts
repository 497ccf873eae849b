/**
 * What the threads of a loader are told and answer.
 *
 * Invariant: everything here is plain data, so that it crosses between threads.
 */
import type { Batch } from "../../batch.js";
import type { BatchOptions, WordMaskOptions, WordPieces } from "../batch-source.js";
import type { StoreIndex } from "../store-index.js";
import type { Part } from "../store-types.js";

/** The store as it was when it was opened; what is packed later counts for none of its threads. */
export interface OpenedIndex {
  path: string;
  index: StoreIndex;
}

/** Records of one modality: a part, or those of the given stable numbers. */
export type StoreRecords = { modality: string } & ({ part: Part } | { numbers: Float64Array });

/** A tokenizer as tables. */
export type PieceTable = Omit<WordPieces, "isContinuation"> & {
  /** By id: 1 where the piece goes on with the word before it. */
  continuations: Uint8Array;
};

/** A source of batches, in a form that a thread can rebuild. */
export interface Plan {
  use: "training" | "validation";
  records: StoreRecords;
  options: Omit<BatchOptions, "wordMask" | "workers">;
  wordMask?: Omit<WordMaskOptions, "tokenizer"> & { pieces: PieceTable };
}

/** Asks for one batch, its records in `memory`. A thread gets each plan once, by its number. */
export interface Request {
  plan: number;
  described?: Plan;
  step: number;
  ordinal: number;
  memory: SharedArrayBuffer;
}

export type Answer =
  | { batch: Batch }
  | { code: string; values: Record<string, string | number> }
  | { message: string };
