/**
 * A set of record numbers, one bit each, with the n-th member found without a scan of the whole.
 *
 * Invariant: bits past `length` are 0.
 */

const BLOCK = 256;

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest; rest &= rest - 1) count++;
  return count;
}

export class Bitmap {
  readonly length: number;
  readonly #bytes: Uint8Array;
  /** Members before each block of `BLOCK` bytes; made when first needed, dropped by a change. */
  #before?: Uint32Array;

  constructor(length: number, bytes = new Uint8Array(Math.ceil(length / 8))) {
    if (bytes.length !== Math.ceil(length / 8)) {
      throw new RangeError(`${bytes.length} bytes for ${length} bits`);
    }
    this.length = length;
    this.#bytes = bytes;
  }

  static fromBase64(length: number, text: string): Bitmap {
    return new Bitmap(length, Uint8Array.from(Buffer.from(text, "base64")));
  }

  toBase64(): string {
    return Buffer.from(this.#bytes).toString("base64");
  }

  has(index: number): boolean {
    return (((this.#bytes[index >>> 3] as number) >>> (index & 7)) & 1) === 1;
  }

  set(index: number, member: boolean): void {
    const bit = 1 << (index & 7);
    const byte = this.#bytes[index >>> 3] as number;
    this.#bytes[index >>> 3] = member ? byte | bit : byte & ~bit;
    this.#before = undefined;
  }

  /** Number of members. */
  get count(): number {
    return this.#table().at(-1) as number;
  }

  /** The n-th member, counted from 0; n is below `count`. */
  select(n: number): number {
    const before = this.#table();
    let low = 0;
    let high = before.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((before[middle] as number) <= n) low = middle;
      else high = middle - 1;
    }
    let rest = n - (before[low] as number);
    let at = low * BLOCK;
    for (; ; at++) {
      const here = ones(this.#bytes[at] as number);
      if (rest < here) break;
      rest -= here;
    }
    for (let index = at * 8; ; index++) {
      if (this.has(index) && rest-- === 0) return index;
    }
  }

  #table(): Uint32Array {
    if (this.#before) return this.#before;
    const blocks = Math.ceil(this.#bytes.length / BLOCK);
    const before = new Uint32Array(blocks + 1);
    for (let block = 0; block < blocks; block++) {
      let count = before[block] as number;
      for (const byte of this.#bytes.subarray(block * BLOCK, (block + 1) * BLOCK))
        count += ones(byte);
      before[block + 1] = count;
    }
    this.#before = before;
    return before;
  }
}
