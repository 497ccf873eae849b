/**
 * Where the weights of a first stage come from.
 */
import { dirname } from "node:path";
import { MedcossError } from "../errors.js";
import type { NativeStart } from "../native/types.js";
import { findModelFile, readState } from "./checkpoint.js";

/** Encoder and embeddings of a model file; everything else is drawn anew. */
export function carryOver(modelFile: string): NativeStart {
  return { kind: "file", path: modelFile, scope: "carry-over" };
}

/**
 * The start that `path` means; random weights without one. Throws E_NO_CHECKPOINT, and E_TOKENIZER_MISMATCH where the
 * checkpoint was trained with other token ids than `tokenizer` (a digest).
 */
export async function startOf(path: string | undefined, tokenizer?: string): Promise<NativeStart> {
  if (path === undefined) return { kind: "random" };
  const file = await findModelFile(path);
  const before = (await readState(dirname(file)))?.digests?.tokenizer;
  if (before !== undefined && tokenizer !== undefined && before !== tokenizer) {
    throw new MedcossError("E_TOKENIZER_MISMATCH", { store: tokenizer, checkpoint: before });
  }
  return carryOver(file);
}
