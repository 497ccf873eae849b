/**
 * A store whose index was read: data sets of its modalities, and the threads that make their batches.
 *
 * Invariant: everything follows from the index that it was made with, whatever is packed later.
 */
import { join } from "node:path";
import { MedcossError } from "../errors.js";
import type { Dataset, RecordView } from "./dataset.js";
import { Loader, readableByThreads } from "./loader/loader.js";
import { badRecord, Numbered, Selection } from "./selection.js";
import { type Reading, ShardReader } from "./shard.js";
import type { ModalityEntry, StoreIndex } from "./store-index.js";
import type { ModalityInfo, Part, Store } from "./store-types.js";
import { loadTokenizer, type Tokenizer } from "./tokenizer.js";

export class OpenedStore implements Store {
  readonly path: string;
  readonly #index: StoreIndex;
  readonly #readers = new Map<string, ShardReader[]>();
  readonly #selections = new Map<string, Selection>();
  readonly #loader: Loader;
  #closed = false;

  constructor(path: string, index: StoreIndex, reading: Reading) {
    this.path = path;
    this.#index = index;
    this.#loader = new Loader({ path, index });
    for (const [modality, { shards, kind, record }] of Object.entries(index.modalities)) {
      const folder = join(path, modality);
      this.#readers.set(
        modality,
        shards.map((shard) => new ShardReader(folder, shard, kind, record, reading)),
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
    const origin = { records: { modality, part }, loader: this.#loader };
    return readableByThreads({ kind, record, length: selection.length, read }, origin);
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
    const origin = { records: { modality, numbers: chosen }, loader: this.#loader };
    return readableByThreads({ kind, record, length: chosen.length, read }, origin);
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
    await this.#loader.close();
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
    const values = { path: this.path, modality, present, otherwise: "" };
    throw new MedcossError("E_NO_MODALITY", values);
  }
}
