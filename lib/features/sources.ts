/**
 * Where records come from, by their stable numbers: the lines beside the shards.
 *
 * Invariant: nothing is known of a record but what its line says; a store whose lines were removed still serves.
 */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { readIndex, type ShardEntry } from "../data/store-index.js";
import { MedcossError } from "../errors.js";

const lineSchema = z.object({
  source: z.string().optional(),
  digest: z.string().optional(),
  case: z.string().optional(),
  slices: z.tuple([z.int(), z.int()]).optional(),
  row: z.int().nonnegative().optional(),
});

/** What a line says; see `SourceLine` of the packing code. */
export type RecordSource = z.infer<typeof lineSchema>;

async function readShard(
  path: string,
  records: number,
  first: number,
  wanted: ReadonlySet<number>,
  into: Map<number, RecordSource>,
): Promise<void> {
  let record = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(path) })) {
      if (wanted.has(first + record)) into.set(first + record, lineSchema.parse(JSON.parse(text)));
      record++;
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    const problem = "its lines cannot be read";
    throw new MedcossError("E_STORE_CORRUPT", { path, problem }, { cause });
  }
  if (record === records) return;
  const problem = `it has ${record} lines for ${records} records`;
  throw new MedcossError("E_STORE_CORRUPT", { path, problem });
}

/** The sources of the records `numbers`; those of which nothing is written are left out. */
export async function readSources(
  store: string,
  modality: string,
  numbers: Iterable<number>,
): Promise<Map<number, RecordSource>> {
  const wanted = new Set(numbers);
  const sources = new Map<number, RecordSource>();
  const shards: ShardEntry[] = (await readIndex(store)).modalities[modality]?.shards ?? [];
  let first = 0;
  for (const { file, records } of shards) {
    const path = join(store, modality, file.replace(".safetensors", ".sources.jsonl"));
    await readShard(path, records, first, wanted, sources);
    first += records;
  }
  return sources;
}
