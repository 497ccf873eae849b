/**
 * What a stage trains on: numbered records of one fixed size, read one at a time into the caller's memory.
 *
 * Invariant: `read` fills the whole view and nothing else; two reads of one index give the same values.
 */
import type { InputKind } from "../batch.js";

export type RecordType = "u8" | "i16" | "f32" | "i32";

export interface RecordTypes {
  u8: Uint8Array;
  i16: Int16Array;
  f32: Float32Array;
  i32: Int32Array;
}

export type RecordArray = RecordTypes[RecordType];

/** Layout of a record. Images: [H,W,C]; volumes: [D,H,W]; text: [L] token ids. */
export interface RecordFormat {
  dtype: RecordType;
  shape: number[];
  /** Volumes: the network sees `value * scale + offset`. Default 1. */
  scale?: number;
  /** Default 0. */
  offset?: number;
}

/** Memory for one record. */
export interface RecordView {
  data: RecordArray;
  /** Text: real tokens, set by `read`. Other kinds leave it alone. */
  length: number;
}

/** A user's own corpus needs `length` and `read`; `kind` and `record` say what the records are. */
export interface Dataset {
  readonly kind: InputKind;
  readonly length: number;
  readonly record: RecordFormat;
  read(index: number, into: RecordView): void | Promise<void>;
}

const BYTES: Record<RecordType, number> = { u8: 1, i16: 2, f32: 4, i32: 4 };

/** Values in one record. */
export function recordSize(record: RecordFormat): number {
  return record.shape.reduce((a, b) => a * b, 1);
}

/** Bytes of one record. */
export function recordBytes(record: RecordFormat): number {
  return recordSize(record) * BYTES[record.dtype];
}

/** An array of `count` values of the record's type: zeroed, or the first ones of `memory`. */
export function allocate(
  dtype: RecordType,
  count: number,
  memory: ArrayBufferLike = new ArrayBuffer(count * BYTES[dtype]),
): RecordArray {
  switch (dtype) {
    case "u8":
      return new Uint8Array(memory, 0, count);
    case "i16":
      return new Int16Array(memory, 0, count);
    case "f32":
      return new Float32Array(memory, 0, count);
    case "i32":
      return new Int32Array(memory, 0, count);
  }
}

/** Memory for one record of that format. */
export function allocateView(record: RecordFormat): RecordView {
  return { data: allocate(record.dtype, recordSize(record)), length: 0 };
}
