/**
 * The random numbers of the demo's phantoms: one Philox stream per (seed, name, item).
 *
 * Invariant: an item's numbers depend on nothing but those three, so a corpus is the same in every run and an item
 * does not change when others are added.
 */
import { philox } from "../random.js";

function hash(name: string): number {
  let value = 0x811c9dc5;
  for (const character of name) {
    value = Math.imul(value ^ (character.codePointAt(0) as number), 0x01000193);
  }
  return value >>> 0;
}

/** A stream of draws, read in order. */
export class Dice {
  readonly #key: [number, number];
  readonly #item: number;
  #words: readonly number[] = [];
  #block = 0;

  constructor(seed: number, name: string, item = 0) {
    this.#key = [seed >>> 0, hash(name)];
    this.#item = item >>> 0;
  }

  /** The next 32-bit word. */
  word(): number {
    const at = this.#block & 3;
    if (at === 0) this.#words = philox(this.#key, [this.#block >>> 2, this.#item, 0, 0]);
    this.#block++;
    return this.#words[at] as number;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * (this.word() >>> 8) * 2 ** -24;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.between(0, 1) < probability;
  }

  /** Integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.between(0, n));
  }

  /** One of the list. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** About normal, from the sum of four uniform bytes; within 3.5 standard deviations. */
  normal(mean = 0, deviation = 1): number {
    const w = this.word();
    const sum = (w & 255) + ((w >>> 8) & 255) + ((w >>> 16) & 255) + (w >>> 24);
    return mean + (deviation * (sum - 510)) / 147.8;
  }
}
