/**
 * What a run is given besides the store that it trains on: buffers of earlier runs with their records, and a start.
 *
 * Invariant: all of it is checked before anything is written.
 */
import type { Training } from "../config/resolve.js";
import type { Store } from "../data/store.js";
import type { Buffer } from "../replay/buffer-file.js";
import { BufferStores, commonTokenizer, openBuffers, readBuffers } from "./replay.js";
import type { ReplayParts } from "./stage-data.js";
import { checkStart, type StartOptions } from "./start.js";
import { vocabularyOf } from "./store-data.js";

export interface Given extends AsyncDisposable {
  buffers: Buffer[];
  /** Where the records of `buffers` are. */
  stores: BufferStores;
  replayed: ReplayParts[];
  start: StartOptions;
  network: {
    /** Rows of the token table. */
    vocabulary: number;
    /** Digest of the tokenizer whose ids the network knows, where one is known. */
    tokenizer?: string;
  };
}

async function check(
  training: Training,
  own: Store,
  out: string,
  stores: BufferStores,
): Promise<Omit<Given, keyof AsyncDisposable>> {
  const buffers = await readBuffers(training.buffers);
  const replayed = await openBuffers(stores, buffers, "");
  const tokenizer = commonTokenizer(await own.tokenizer(), replayed);
  const digest = tokenizer?.digest;
  const start = { folder: out, tokenizer: digest, mapPositions: training.startPositions };
  const tokens = await checkStart(training.startFrom, training.model, start);
  const vocabulary = vocabularyOf(training, tokenizer, tokens.rows);
  const network = { vocabulary, tokenizer: digest ?? tokens.tokenizer };
  return { buffers, stores, replayed, start, network };
}

/** Opens and checks it for a run over `own` in the folder `out`. Throws as `pretrain` does before its first step. */
export async function openGiven(training: Training, own: Store, out: string): Promise<Given> {
  const stores = await BufferStores.open([...training.bufferStore, own.path]);
  const close = () => stores[Symbol.asyncDispose]();
  try {
    const given = await check(training, own, out, stores);
    return { ...given, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
