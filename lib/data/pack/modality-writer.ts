/**
 * Adds records to one modality of a store.
 *
 * Invariant: `commit` shows complete sources only. What is appended after the last commit is not in the index and is
 * written over by the next run.
 */
import type { ResolvedPack } from "../../config/pack.js";
import { Bitmap } from "../bitmap.js";
import { recordBytes } from "../dataset.js";
import { ShardWriter } from "../shard.js";
import type { ModalityEntry, ShardEntry } from "../store-index.js";
import type { RecordNote } from "./protocol.js";
import type { RecordsFile } from "./records-file.js";
import { hashName, type Known, type Run, type SourceLine } from "./sources.js";
import { type CaseInfo, chooseValidation } from "./split.js";

export interface PackedSource {
  source: string;
  size: number;
  digest: string;
  /** Case of a record that names none itself. */
  case: string;
  side?: CaseInfo["named"];
}

interface NewShard {
  entry: ShardEntry;
  /** Case of each record. */
  cases: string[];
}

const CHUNK_BYTES = 4 * 2 ** 20;

export class ModalityWriter {
  /** Cases that a table puts on both sides; they are for training. */
  readonly conflicts = new Set<string>();
  added = 0;
  /** Cases put aside for validation, as of the last commit. */
  aside = 0;
  readonly #folder: string;
  readonly #entry: ModalityEntry;
  readonly #config: ResolvedPack;
  readonly #cases = new Map<string, CaseInfo>();
  readonly #finished: NewShard[] = [];
  readonly #retire: Run[] = [];
  #open?: { writer: ShardWriter; cases: string[] };
  #last?: string;
  /** Whether the last source goes on from a completed shard into the one that is being written. */
  #split = false;

  constructor(folder: string, entry: ModalityEntry, known: Known, config: ResolvedPack) {
    this.#folder = folder;
    this.#entry = entry;
    this.#config = config;
    for (const [name, { side, records }] of known.cases) {
      this.#cases.set(name, { records, before: side });
    }
  }

  /** Cases in the store, old and new. */
  get cases(): number {
    return this.#cases.size;
  }

  /** Appends the next records of `file`. */
  async append(
    source: PackedSource,
    notes: readonly RecordNote[],
    file: RecordsFile,
  ): Promise<void> {
    const bytes = recordBytes(this.#entry.record);
    await this.#begin(source.source, notes.length);
    for (let done = 0; done < notes.length; ) {
      const { writer, cases } = await this.#current();
      const most = Math.max(1, Math.floor(CHUNK_BYTES / bytes));
      const part = notes.slice(done, done + Math.min(most, writer.room));
      const lines = part.map((note) => this.#line(source, note));
      const lengths =
        this.#entry.kind === "text" ? part.map((note) => note.length ?? 0) : undefined;
      await writer.append(
        await file.take(part.length * bytes),
        lines.map((line) => JSON.stringify(line)),
        lengths,
      );
      part.forEach((note, i) => {
        const name = (lines[i] as SourceLine).case;
        cases.push(name);
        this.#count(name, note.side ?? source.side);
      });
      done += part.length;
      this.added += part.length;
    }
  }

  /** Marks old records as replaced, from the next commit on. */
  retire(runs: readonly Run[]): void {
    this.#retire.push(...runs);
  }

  /** Whether a shard was completed since the last commit. */
  get due(): boolean {
    return this.#uncommitted().length > 0;
  }

  /** Completes the shard that is being written. */
  async finish(): Promise<void> {
    if (!this.#open) return;
    const { writer, cases } = this.#open;
    this.#open = undefined;
    this.#finished.push({ entry: await writer.finish(), cases });
  }

  /** Brings the modality's entry up to date; the caller writes the index. Called between sources. */
  async commit(): Promise<void> {
    if (this.#split) await this.finish();
    this.#split = false;
    const fromTable = this.#config.splitColumn !== undefined;
    const aside = chooseValidation(this.#cases, this.#config.validation, fromTable);
    this.aside = aside.size;
    for (const { entry, cases } of this.#finished) {
      const bits = new Bitmap(entry.records);
      cases.forEach((name, i) => {
        if (aside.has(name)) bits.set(i, true);
      });
      entry.validation = bits.count > 0 ? bits.toBase64() : undefined;
      if (!this.#entry.shards.includes(entry)) this.#entry.shards.push(entry);
    }
    for (const run of this.#retire.splice(0)) this.#applyRetire(run);
  }

  async abandon(): Promise<void> {
    await this.#open?.writer.abandon();
    this.#open = undefined;
  }

  #applyRetire({ shard, first, count }: Run): void {
    const entry = this.#entry.shards[shard] as ShardEntry;
    const bits = entry.retired
      ? Bitmap.fromBase64(entry.records, entry.retired)
      : new Bitmap(entry.records);
    for (let i = first; i < first + count; i++) bits.set(i, true);
    entry.retired = bits.toBase64();
  }

  #line({ source, size, digest, case: own }: PackedSource, note: RecordNote): SourceLine {
    const { slices, tile, row } = note;
    const name =
      note.case === undefined || !this.#config.hashPaths ? note.case : hashName(note.case);
    const fallback = row === undefined ? own : `${own}#${row}`;
    return { source, size, digest, case: name ?? fallback, slices, tile, row };
  }

  #count(name: string, named: CaseInfo["named"]): void {
    const info = this.#cases.get(name) ?? { records: 0 };
    if (named && info.named && info.named !== named) {
      this.conflicts.add(name);
      info.named = "train";
    } else info.named ??= named;
    info.records++;
    this.#cases.set(name, info);
  }

  #uncommitted(): NewShard[] {
    return this.#finished.filter(({ entry }) => !this.#entry.shards.includes(entry));
  }

  /** Begins a new shard for a source that does not fit into the rest of this one. */
  async #begin(source: string, records: number): Promise<void> {
    if (this.#last !== source && this.#open && this.#open.writer.room < records)
      await this.finish();
    this.#last = source;
  }

  /** The shard to go on with. */
  async #current(): Promise<{ writer: ShardWriter; cases: string[] }> {
    if (this.#open && this.#open.writer.room < 1) {
      await this.finish();
      this.#split = true;
    }
    if (!this.#open) {
      const number = this.#entry.shards.length + this.#uncommitted().length;
      const { kind, record } = this.#entry;
      this.#open = { writer: new ShardWriter(this.#folder, number, kind, record), cases: [] };
    }
    return this.#open;
  }
}
