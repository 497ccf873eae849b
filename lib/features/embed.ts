/** Features of a store's records as a table for other tools. */

import { type EmbedConfig, embedSchema } from "../config/features.js";
import { parseConfig } from "../config/parse.js";
import type { Part } from "../data/store.js";
import { MedcossError } from "../errors.js";
import { prepareOutput, replaceFile } from "../files.js";
import { extractFeatures, finiteSamples, type ReplayHooks } from "../replay/features.js";
import { openNetwork } from "./network.js";
import { npyHeader } from "./npy.js";
import { readSources } from "./sources.js";

export interface Embeddings {
  modality: string;
  part: Part;
  /** [samples, width], row-major. */
  values: Float32Array;
  samples: number;
  width: number;
  /** Stable number in the store of each row; see `Store.records`. */
  records: number[];
}

/** One line for each row: its record, and what the store knows of its source. */
async function namesOf(store: string, { modality, records }: Embeddings): Promise<string> {
  const sources = await readSources(store, modality, records);
  const lines = records.map((record) => {
    const { digest: _, ...known } = sources.get(record) ?? {};
    return JSON.stringify({ record, ...known });
  });
  return `${lines.join("\n")}\n`;
}

async function write(out: string, store: string, found: Embeddings): Promise<void> {
  const { values, samples, width } = found;
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  await replaceFile(out.replace(/\.npy$/, ".jsonl"), await namesOf(store, found));
  await replaceFile(out, [npyHeader([samples, width]), bytes]);
}

/**
 * Features [samples, width] of a modality's records, the mean over encoder tokens with nothing masked; written to `out`
 * where it is given, with a `.jsonl` beside it whose n-th line names the n-th row. Throws as `buildBuffer` does.
 */
export async function embed(config: EmbedConfig, hooks: ReplayHooks = {}): Promise<Embeddings> {
  const { out, part, ...network } = parseConfig(embedSchema, config);
  await prepareOutput(out);
  await using opened = await openNetwork(network);
  const { store, parts, trainer, behaviour, stage, seed } = opened;
  const { modality, batchSize } = network;
  const table = await extractFeatures({
    ...{ trainer, modality, stage, seed, behaviour, batchSize },
    ...hooks,
    dataset: store.dataset(modality, part),
    tokenizer: parts.tokenizer,
  });
  const finite = finiteSamples(table, modality);
  const missing = finite.findIndex((sample, at) => sample !== at);
  if (finite.length < table.samples) {
    const sample = missing < 0 ? finite.length : missing;
    throw new MedcossError("E_FEATURES", { modality, sample });
  }
  const records = Array.from({ length: table.samples }, (_, index) =>
    store.recordNumber(modality, part, index),
  );
  const found = { modality, part, ...table, records };
  if (out !== undefined) await write(out, network.store, found);
  return found;
}
