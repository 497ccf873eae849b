/**
 * Counter-based random numbers: every draw is a pure function of (seed, stage, step, purpose, index).
 *
 * Philox 4x32-10 (Salmon et al., SC 2011) with key (seed low, seed high) and counter
 * (index, step, stage << 16 | purpose, block). `native/support/philox.h` computes the same values.
 */

/** What a draw is for. `native/support/philox.h` holds the same numbers; a test compares the two. */
export const Purpose = {
  initialWeights: 1,
  sampleOrder: 2,
  crop: 3,
  flip: 4,
  patchMask: 5,
  wordMask: 6,
  wordReplacement: 7,
  dropPath: 8,
  temporalPosition: 9,
  mixupPartner: 10,
  mixupWeight: 11,
  itemOrder: 12,
  split: 13,
  teacherDropPath: 14,
  teacherTemporalPosition: 15,
  kmeans: 16,
} as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Four 32-bit words of Philox 4x32-10. */
export function philox(
  key: readonly [number, number],
  counter: readonly [number, number, number, number],
): [number, number, number, number] {
  let [k0, k1] = key;
  let [c0, c1, c2, c3] = counter;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The draws of one (seed, stage, step, purpose); `index` and `block` pick one of them. */
export class Draws {
  readonly #key: [number, number];
  readonly #step: number;
  readonly #tag: number;

  constructor(seed: number, stage: number, step: number, purpose: Purpose) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#step = step >>> 0;
    this.#tag = ((stage << 16) | purpose) >>> 0;
  }

  /** The `block`-th four words of `index`. */
  words(index: number, block = 0): [number, number, number, number] {
    return philox(this.#key, [index >>> 0, this.#step, this.#tag, block]);
  }

  /** The `position`-th word of `index`, counted through its blocks. */
  word(index: number, position = 0): number {
    return this.words(index, position >>> 2)[position & 3] as number;
  }

  /** Uniform in [0,1) with 24 bits. */
  uniform(index: number, position = 0): number {
    return (this.word(index, position) >>> 8) * 2 ** -24;
  }

  /** Integer in [0,n), n at most 2^32. */
  below(n: number, index: number, position = 0): number {
    const product = BigInt(this.word(index, position)) * BigInt(n);
    return Number(product >> 32n);
  }

  /** Indices 0..n-1 in random order: sorted by (word, index). */
  shuffle(n: number): Uint32Array {
    const words = new Uint32Array(n);
    for (let i = 0; i < n; i++) words[i] = this.word(i);
    return Uint32Array.from({ length: n }, (_, i) => i).sort(
      (a, b) => (words[a] as number) - (words[b] as number) || a - b,
    );
  }
}
