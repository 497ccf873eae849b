/**
 * Shards: safetensors files of fixed-size records, written once from front to back and read by position.
 *
 * Invariant: a shard under its final name is complete, flushed and never changed again.
 */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { InputKind } from "../batch.js";
import { MedcossError } from "../errors.js";
import { writing } from "../files.js";
import { type Dtype, encodeHeader, readHeader } from "../safetensors.js";
import { type RecordFormat, type RecordView, recordBytes } from "./dataset.js";
import { GatheredFile } from "./gathered-file.js";
import type { ShardEntry } from "./store-index.js";

/** Largest shard in bytes. */
export const SHARD_LIMIT = 2 ** 30;

/** Bytes kept free for the header while the number of records is unknown. */
const HEADER_BYTES = 512;

/** Bytes read at once. */
const PIECE_BYTES = 2 ** 20;

const dtypes: Record<RecordFormat["dtype"], Dtype> = {
  u8: "U8",
  i16: "I16",
  f32: "F32",
  i32: "I32",
};

/** File name of the n-th shard without its ending. */
export function shardStem(n: number): string {
  return String(n).padStart(5, "0");
}

/** Name of the tensor that holds the records. */
export function recordTensor(kind: InputKind): string {
  return kind === "text" ? "tokens" : "records";
}

/** A header of exactly `HEADER_BYTES`, filled up with spaces. */
function headerFor(kind: InputKind, record: RecordFormat, count: number): Buffer {
  const shape = [count, ...record.shape];
  const tensors: Array<[string, { dtype: Dtype; shape: number[] }]> = [
    [recordTensor(kind), { dtype: dtypes[record.dtype], shape }],
  ];
  if (kind === "text") tensors.push(["lengths", { dtype: "I32", shape: [count] }]);
  const bytes = Buffer.alloc(HEADER_BYTES, " ");
  bytes.set(encodeHeader(tensors));
  bytes.writeBigUInt64LE(BigInt(HEADER_BYTES - 8), 0);
  return bytes;
}

/** SHA-256 of a file, in hexadecimal. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  await using file = await open(path, "r");
  for (let bytes = 1; bytes > 0; ) {
    bytes = (await file.read(piece, 0, PIECE_BYTES, null)).bytesRead;
    hash.update(piece.subarray(0, bytes));
  }
  return hash.digest("hex");
}

/** One shard under construction, with a line about each record beside it. */
export class ShardWriter {
  readonly #folder: string;
  readonly #stem: string;
  readonly #kind: InputKind;
  readonly #record: RecordFormat;
  readonly #lengths: number[] = [];
  readonly #shard: GatheredFile;
  readonly #sources: GatheredFile;
  #records = 0;

  constructor(folder: string, number: number, kind: InputKind, record: RecordFormat) {
    this.#folder = folder;
    this.#stem = shardStem(number);
    this.#kind = kind;
    this.#record = record;
    this.#shard = new GatheredFile(this.#partial("safetensors"), HEADER_BYTES);
    this.#sources = new GatheredFile(this.#partial("sources.jsonl"));
  }

  get records(): number {
    return this.#records;
  }

  /** Records that still fit. */
  get room(): number {
    const each = recordBytes(this.#record) + (this.#kind === "text" ? 4 : 0);
    return Math.max(1, Math.floor((SHARD_LIMIT - HEADER_BYTES) / each)) - this.#records;
  }

  /** Adds whole records; `lines` describe them, `lengths` are the real tokens of texts. */
  async append(
    bytes: Uint8Array,
    lines: readonly string[],
    lengths?: ArrayLike<number>,
  ): Promise<void> {
    await writing(this.#partial("safetensors"), async () => {
      await this.#shard.append(bytes);
      await this.#sources.append(Buffer.from(`${lines.join("\n")}\n`));
    });
    this.#records += lines.length;
    if (lengths) this.#lengths.push(...Array.from(lengths));
  }

  /** Completes both files under their final names. */
  async finish(): Promise<ShardEntry> {
    const partial = this.#partial("safetensors");
    const file = `${this.#stem}.safetensors`;
    return writing(join(this.#folder, file), async () => {
      if (this.#kind === "text") {
        await this.#shard.append(Buffer.from(Int32Array.from(this.#lengths).buffer));
      }
      await this.#shard.finish(headerFor(this.#kind, this.#record, this.#records));
      await this.#sources.finish();
      const sha256 = await fileDigest(partial);
      await rename(
        this.#partial("sources.jsonl"),
        join(this.#folder, `${this.#stem}.sources.jsonl`),
      );
      await rename(partial, join(this.#folder, file));
      return { file, records: this.#records, bytes: this.#shard.length, sha256 };
    });
  }

  /** Removes what was written. */
  async abandon(): Promise<void> {
    await this.#shard.close();
    await this.#sources.close();
    await rm(this.#partial("safetensors"), { force: true });
    await rm(this.#partial("sources.jsonl"), { force: true });
  }

  #partial(ending: string): string {
    return join(this.#folder, `${this.#stem}.${ending}.partial`);
  }
}

interface Opened {
  file: FileHandle;
  dataStart: number;
}

/** Whether reads leave the thread free, or hold it, which takes half the time where the file is in memory. */
export type Reading = "waiting" | "blocking";

/** Reads records of one shard by position; the file is opened at the first read. */
export class ShardReader {
  readonly #path: string;
  readonly #entry: ShardEntry;
  readonly #kind: InputKind;
  readonly #record: RecordFormat;
  readonly #bytes: number;
  readonly #reading: Reading;
  #opened?: Promise<Opened>;

  constructor(
    folder: string,
    entry: ShardEntry,
    kind: InputKind,
    record: RecordFormat,
    reading: Reading,
  ) {
    this.#path = join(folder, entry.file);
    this.#entry = entry;
    this.#kind = kind;
    this.#record = record;
    this.#bytes = recordBytes(record);
    this.#reading = reading;
  }

  async read(index: number, into: RecordView): Promise<void> {
    this.#opened ??= this.#open();
    const { file, dataStart } = await this.#opened;
    const { buffer, byteOffset, byteLength } = into.data;
    if (byteLength !== this.#bytes) {
      const expected = `${this.#bytes} bytes`;
      throw new MedcossError("E_ARGUMENT", {
        expected,
        argument: "the view",
        received: byteLength,
      });
    }
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    const wanted = [this.#fill(file, bytes, dataStart + index * this.#bytes)];
    if (this.#kind !== "text") return void (await wanted[0]);
    const length = Buffer.alloc(4);
    const lengths = dataStart + this.#entry.records * this.#bytes;
    wanted.push(this.#fill(file, length, lengths + 4 * index));
    await Promise.all(wanted);
    into.length = length.readInt32LE(0);
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.file.close();
  }

  async #open(): Promise<Opened> {
    const header = await readHeader(this.#path).catch((cause) =>
      this.#damaged(cause.message, cause),
    );
    const tensor = header.tensors.get(recordTensor(this.#kind));
    const shape = [this.#entry.records, ...this.#record.shape].join();
    if (tensor?.shape.join() !== shape || tensor.dtype !== dtypes[this.#record.dtype]) {
      this.#damaged(`its records are not of the shape [${shape}]`);
    }
    return { file: await open(this.#path, "r"), dataStart: header.dataStart };
  }

  async #fill(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const place = [done, bytes.length - done, position + done] as const;
      const read =
        this.#reading === "blocking"
          ? readSync(file.fd, bytes, ...place)
          : (await file.read(bytes, ...place)).bytesRead;
      if (read === 0) this.#damaged("it ends too early");
      done += read;
    }
  }

  #damaged(problem: string, cause?: unknown): never {
    const path = this.#path;
    throw new MedcossError("E_STORE_CORRUPT", { path, problem }, { cause });
  }
}
