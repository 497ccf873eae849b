/**
 * Opens a store. Only the index and file sizes are read; records come by position when they are asked for, so neither
 * time nor memory grows with the number of records (but for one or two bits each).
 */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MedcossError } from "../errors.js";
import { Bitmap } from "./bitmap.js";
import type { Dataset, RecordView } from "./dataset.js";
import { ShardReader } from "./shard.js";
import { type ModalityEntry, readIndex, type ShardEntry, type StoreIndex } from "./store-index.js";
import type { ModalityInfo, Part, Store } from "./store-types.js";
import { loadTokenizer, type Tokenizer } from "./tokenizer.js";

export type { ModalityInfo, Part, Store } from "./store-types.js";

/** The records of one shard that belong to a part; undefined where all do. */
function members(shard: ShardEntry, part: Part): Bitmap | undefined {
  const whole = shard.retired === undefined;
  if (whole && (part === "all" || (part === "train" && shard.validation === undefined))) return;
  const bits = new Bitmap(shard.records);
  const read = (text: string | undefined) =>
    text === undefined ? bits : Bitmap.fromBase64(shard.records, text);
  const [validation, retired] = [read(shard.validation), read(shard.retired)];
  const chosen = new Bitmap(shard.records);
  for (let i = 0; i < shard.records; i++) {
    const fits = part === "all" || validation.has(i) === (part === "validation");
    if (fits && !retired.has(i)) chosen.set(i, true);
  }
  return chosen;
}

interface SelectedShard {
  /** Members of the part in the shards before. */
  first: number;
  /** Stable number of the shard's first record. */
  number: number;
  members: Bitmap | undefined;
  reader: ShardReader;
}

function badRecord(argument: string, records: number, received: number): MedcossError {
  const expected = records > 0 ? `a record from 0 to ${records - 1}` : "no record, there are none";
  return new MedcossError("E_ARGUMENT", { expected, argument, received });
}

/** Finds the shard and the place in it of a part's n-th record. */
class Selection {
  readonly length: number;
  readonly #shards: SelectedShard[] = [];

  constructor(shards: ShardEntry[], readers: ShardReader[], part: Part) {
    let first = 0;
    let number = 0;
    shards.forEach((shard, i) => {
      const bits = members(shard, part);
      this.#shards.push({ first, number, members: bits, reader: readers[i] as ShardReader });
      first += bits?.count ?? shard.records;
      number += shard.records;
    });
    this.length = first;
  }

  /** Where the record is, and its stable number; throws E_ARGUMENT. */
  locate(index: number): { reader: ShardReader; record: number; number: number } {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw badRecord("index", this.length, index);
    }
    let low = 0;
    let high = this.#shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#shards[middle]?.first as number) <= index) low = middle;
      else high = middle - 1;
    }
    const { first, number, members: bits, reader } = this.#shards[low] as SelectedShard;
    const record = bits?.select(index - first) ?? index - first;
    return { reader, record, number: number + record };
  }
}

/** Finds the shard and the place in it of a stable number. */
class Numbered {
  readonly records: number;
  readonly #shards: Array<Pick<SelectedShard, "first" | "reader">> = [];

  constructor(shards: ShardEntry[], readers: ShardReader[]) {
    let first = 0;
    shards.forEach((shard, i) => {
      this.#shards.push({ first, reader: readers[i] as ShardReader });
      first += shard.records;
    });
    this.records = first;
  }

  locate(number: number): { reader: ShardReader; record: number } {
    const shard = this.#shards.findLast(({ first }) => first <= number) as Pick<
      SelectedShard,
      "first" | "reader"
    >;
    return { reader: shard.reader, record: number - shard.first };
  }
}

async function checkFiles(path: string, index: StoreIndex): Promise<void> {
  for (const [modality, { shards }] of Object.entries(index.modalities)) {
    for (const { file, bytes, records, validation, retired } of shards) {
      const name = `${modality}/${file}`;
      const found = await stat(join(path, name)).catch(() => undefined);
      const problem = found
        ? `${name} has ${found.size} bytes and should have ${bytes}`
        : `${name} is missing`;
      if (found?.size !== bytes) throw new MedcossError("E_STORE_CORRUPT", { path, problem });
      for (const bits of [validation, retired]) {
        if (bits === undefined || Buffer.from(bits, "base64").length === Math.ceil(records / 8))
          continue;
        const wrong = `a bitmap of ${name} is not of its length`;
        throw new MedcossError("E_STORE_CORRUPT", { path, problem: wrong });
      }
    }
  }
}

class OpenedStore implements Store {
  readonly path: string;
  readonly #index: StoreIndex;
  readonly #readers = new Map<string, ShardReader[]>();
  readonly #selections = new Map<string, Selection>();
  #closed = false;

  constructor(path: string, index: StoreIndex) {
    this.path = path;
    this.#index = index;
    for (const [modality, { shards, kind, record }] of Object.entries(index.modalities)) {
      const folder = join(path, modality);
      this.#readers.set(
        modality,
        shards.map((shard) => new ShardReader(folder, shard, kind, record)),
      );
    }
  }

  get modalities(): string[] {
    return Object.keys(this.#index.modalities);
  }

  info(modality: string): ModalityInfo {
    const { kind, record, preprocessingDigest } = this.#entry(modality);
    const length = (part: Part) => this.#select(modality, part).length;
    const [train, validation] = [length("train"), length("validation")];
    return { modality, kind, train, validation, record, preprocessingDigest };
  }

  dataset(modality: string, part: Part): Dataset {
    const { kind, record } = this.#entry(modality);
    const selection = this.#select(modality, part);
    const read = async (index: number, into: RecordView): Promise<void> => {
      if (this.#closed) throw new MedcossError("E_CLOSED", { what: "store" });
      const place = selection.locate(index);
      await place.reader.read(place.record, into);
    };
    return { kind, record, length: selection.length, read };
  }

  records(modality: string, numbers: ArrayLike<number>): Dataset {
    const { kind, record, shards } = this.#entry(modality);
    const all = new Numbered(shards, this.#readers.get(modality) as ShardReader[]);
    const chosen = Float64Array.from(numbers);
    const wrong = chosen.find((n) => !Number.isInteger(n) || n < 0 || n >= all.records);
    if (wrong !== undefined) throw badRecord("numbers", all.records, wrong);
    const read = async (index: number, into: RecordView): Promise<void> => {
      if (this.#closed) throw new MedcossError("E_CLOSED", { what: "store" });
      const number = chosen[index];
      if (number === undefined) throw badRecord("index", chosen.length, index);
      const place = all.locate(number);
      await place.reader.read(place.record, into);
    };
    return { kind, record, length: chosen.length, read };
  }

  recordNumber(modality: string, part: Part, index: number): number {
    return this.#select(modality, part).locate(index).number;
  }

  async tokenizer(): Promise<Tokenizer | undefined> {
    const named = this.#index.tokenizer;
    if (!named) return undefined;
    const tokenizer = await loadTokenizer(join(this.path, named.file));
    if (tokenizer.digest === named.digest) return tokenizer;
    const problem = `${named.file} is not the tokenizer of its reports`;
    throw new MedcossError("E_STORE_CORRUPT", { path: this.path, problem });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#readers.values()].flat().map((reader) => reader.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #select(modality: string, part: Part): Selection {
    const key = `${part} ${modality}`;
    const known = this.#selections.get(key);
    if (known) return known;
    const readers = this.#readers.get(modality) as ShardReader[];
    const selection = new Selection(this.#entry(modality).shards, readers, part);
    this.#selections.set(key, selection);
    return selection;
  }

  #entry(modality: string): ModalityEntry {
    const entry = this.#index.modalities[modality];
    if (entry) return entry;
    const present = this.modalities.join(", ") || "nothing";
    throw new MedcossError("E_NO_MODALITY", { path: this.path, modality, present });
  }
}

/** Opens the store at `path`; throws E_NO_STORE, E_STORE_VERSION or E_STORE_CORRUPT. */
export async function openStore(path: string): Promise<Store> {
  const absolute = resolve(path);
  const index = await readIndex(absolute);
  await checkFiles(absolute, index);
  return new OpenedStore(absolute, index);
}
