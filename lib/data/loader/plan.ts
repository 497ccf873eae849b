/** From a source's options to what a thread can be sent, and back. */
import { MedcossError } from "../../errors.js";
import type { BatchOptions, WordPieces } from "../batch-source.js";
import type { PieceTable, Plan, StoreRecords } from "./protocol.js";

function tableOf(tokenizer: WordPieces): PieceTable {
  const { special, vocabularySize } = tokenizer;
  const continuations = Uint8Array.from({ length: vocabularySize }, (_, id) =>
    tokenizer.isContinuation(id) ? 1 : 0,
  );
  return { special, vocabularySize, continuations };
}

function piecesOf({ special, vocabularySize, continuations }: PieceTable): WordPieces {
  const isContinuation = (id: number) => {
    const found = continuations[id];
    if (found !== undefined) return found === 1;
    const expected = `an id from 0 to ${vocabularySize - 1}`;
    throw new MedcossError("E_ARGUMENT", { expected, argument: "id", received: id });
  };
  return { special, vocabularySize, isContinuation };
}

export function planOf(use: Plan["use"], records: StoreRecords, given: BatchOptions): Plan {
  const { wordMask, workers: _, ...options } = given;
  if (!wordMask) return { use, records, options };
  const { tokenizer, ...rest } = wordMask;
  return { use, records, options, wordMask: { ...rest, pieces: tableOf(tokenizer) } };
}

/** The options of a plan, for one thread. */
export function optionsOf({ options, wordMask }: Plan): BatchOptions {
  if (!wordMask) return options;
  const { pieces, ...rest } = wordMask;
  return { ...options, wordMask: { ...rest, tokenizer: piecesOf(pieces) } };
}
