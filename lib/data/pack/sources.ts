/**
 * The lines beside each shard that say where its records come from, and what a store already has by them.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { MedcossError } from "../../errors.js";
import { Bitmap } from "../bitmap.js";
import type { ModalityEntry } from "../store-index.js";

/** One line of `NNNNN.sources.jsonl`: the source of the record with the same number. */
export interface SourceLine {
  /** Root's name and relative path, or their digest. */
  source: string;
  size: number;
  /** First 32 digits of the content's SHA-256. */
  digest: string;
  case: string;
  slices?: [number, number];
  tile?: [number, number];
  row?: number;
}

/** Records in a row in one shard that come from one source. */
export interface Run {
  shard: number;
  first: number;
  count: number;
}

export interface KnownSource {
  size: number;
  digest: string;
  runs: Run[];
}

export interface Known {
  sources: Map<string, KnownSource>;
  /** Cases with records in the store, their number and on which side they are. */
  cases: Map<string, { side: "train" | "validation"; records: number }>;
}

/** A name that cannot be read back. */
export function hashName(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}

function remember(known: Known, line: SourceLine, shard: number, record: number): void {
  const found = known.sources.get(line.source);
  if (!found || found.digest !== line.digest) {
    const { size, digest } = line;
    known.sources.set(line.source, { size, digest, runs: [{ shard, first: record, count: 1 }] });
    return;
  }
  const last = found.runs.at(-1) as Run;
  if (last.shard === shard && last.first + last.count === record) last.count++;
  else found.runs.push({ shard, first: record, count: 1 });
}

/** What the shards of a modality hold; records that were retired do not count. */
export async function readKnown(folder: string, entry: ModalityEntry): Promise<Known> {
  const known: Known = { sources: new Map(), cases: new Map() };
  for (const [shard, { file, records, validation, retired }] of entry.shards.entries()) {
    const path = join(folder, file.replace(".safetensors", ".sources.jsonl"));
    const bits = (text: string | undefined) =>
      text === undefined ? new Bitmap(records) : Bitmap.fromBase64(records, text);
    const [aside, gone] = [bits(validation), bits(retired)];
    let record = 0;
    try {
      for await (const text of createInterface({ input: createReadStream(path) })) {
        const line = JSON.parse(text) as SourceLine;
        if (!gone.has(record)) {
          remember(known, line, shard, record);
          const records = (known.cases.get(line.case)?.records ?? 0) + 1;
          const side = aside.has(record) ? "validation" : "train";
          known.cases.set(line.case, { side, records });
        }
        record++;
      }
    } catch (cause) {
      throw new MedcossError(
        "E_STORE_CORRUPT",
        { path, problem: "its lines cannot be read" },
        { cause },
      );
    }
    if (record !== records) {
      const problem = `it has ${record} lines for ${records} records`;
      throw new MedcossError("E_STORE_CORRUPT", { path, problem });
    }
  }
  return known;
}
