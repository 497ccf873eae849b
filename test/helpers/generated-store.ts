/**
 * Stores written record by record, or sparse ones of any size, without an input file.
 *
 * Invariant: what is written opens as a packed store does; the digests of shards are not real.
 */
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InputKind } from "../../lib/batch.js";
import { allocateView, type RecordFormat, recordBytes } from "../../lib/data/dataset.js";
import { recordTensor, SHARD_LIMIT, ShardWriter, shardStem } from "../../lib/data/shard.js";
import {
  emptyIndex,
  type ModalityEntry,
  readIndex,
  type ShardEntry,
  writeIndex,
} from "../../lib/data/store-index.js";
import { encodeHeader } from "../../lib/safetensors.js";

export interface Generated {
  kind: InputKind;
  record: RecordFormat;
  count: number;
}

const dtypes = { u8: "U8", i16: "I16", f32: "F32", i32: "I32" } as const;

function entryOf({ kind, record }: Generated, shards: ShardEntry[]): ModalityEntry {
  const digest = "generated";
  return { kind, record, preprocessing: {}, preprocessingDigest: digest, roots: [], shards };
}

async function addEntry(path: string, modality: string, entry: ModalityEntry): Promise<void> {
  const index = await readIndex(path).catch(emptyIndex);
  index.modalities[modality] = entry;
  await writeIndex(path, index);
}

/** Adds a modality to a store; value `place` of record `i` is `value(i, place)`, texts have `lengths(i)` real tokens. */
export async function generateStore(
  path: string,
  modality: string,
  generated: Generated,
  value: (record: number, place: number) => number,
  lengths: (record: number) => number = () => 1,
): Promise<void> {
  const { kind, record, count } = generated;
  const folder = join(path, modality);
  mkdirSync(folder, { recursive: true });
  const writer = new ShardWriter(folder, 0, kind, record);
  const { data } = allocateView(record);
  for (let i = 0; i < count; i++) {
    for (let place = 0; place < data.length; place++) data[place] = value(i, place);
    const bytes = new Uint8Array(data.buffer);
    await writer.append(bytes, ["{}"], kind === "text" ? [lengths(i)] : undefined);
  }
  await addEntry(path, modality, entryOf(generated, [await writer.finish()]));
}

/** A store whose records are holes of its files; every tenth is for validation. */
export async function sparseStore(
  path: string,
  modality: string,
  generated: Generated,
): Promise<void> {
  const { kind, record, count } = generated;
  const folder = join(path, modality);
  mkdirSync(folder, { recursive: true });
  const shards: ShardEntry[] = [];
  const most = Math.floor(SHARD_LIMIT / recordBytes(record));
  for (let first = 0; first < count; first += most) {
    const records = Math.min(most, count - first);
    const dtype = dtypes[record.dtype];
    const header = encodeHeader([
      [recordTensor(kind), { dtype, shape: [records, ...record.shape] }],
    ]);
    const file = `${shardStem(shards.length)}.safetensors`;
    const bytes = header.length + records * recordBytes(record);
    writeFileSync(join(folder, file), header);
    truncateSync(join(folder, file), bytes);
    const bits = Buffer.alloc(Math.ceil(records / 8));
    for (let i = 0; i < records; i += 10)
      bits.writeUInt8(bits.readUInt8(i >> 3) | (1 << (i & 7)), i >> 3);
    shards.push({
      file,
      records,
      bytes,
      sha256: "0".repeat(64),
      validation: bits.toString("base64"),
    });
  }
  await addEntry(path, modality, entryOf(generated, shards));
}
