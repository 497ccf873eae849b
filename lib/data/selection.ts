/**
 * Which record of which shard a number means.
 *
 * Invariant: a lookup takes the logarithm of the number of shards and records; memory is a bit or two for each record.
 */
import { MedcossError } from "../errors.js";
import { Bitmap } from "./bitmap.js";
import type { ShardReader } from "./shard.js";
import type { ShardEntry } from "./store-index.js";
import type { Part } from "./store-types.js";

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

export function badRecord(argument: string, records: number, received: number): MedcossError {
  const expected = records > 0 ? `a record from 0 to ${records - 1}` : "no record, there are none";
  return new MedcossError("E_ARGUMENT", { expected, argument, received });
}

/** Finds the shard and the place in it of a part's n-th record. */
export class Selection {
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
export class Numbered {
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
