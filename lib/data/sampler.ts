/**
 * Which records make up a batch: pure functions of (seed, stage, step), so any batch can be asked for in any order.
 *
 * Invariant: within an epoch of `permutation` no record comes twice, whatever the batch size.
 */
import { Draws, Purpose } from "../random.js";

/** Up to this many records an epoch's order is a sort; above it a Feistel permutation, which takes no memory. */
export const SORT_LIMIT = 16_384;

const ROUNDS = 4;

/** A permutation of 0..n-1, computed one element at a time. */
export type Permutation = (index: number) => number;

/**
 * Feistel network over the smallest even number of bits that holds n, with Philox as the round function; values at or
 * above n walk on along their cycle until they fall below it (Black and Rogaway, CT-RSA 2002).
 */
function feistel(n: number, draws: Draws): Permutation {
  const half = Math.ceil(Math.log2(n) / 2);
  const radix = 2 ** half;
  const encrypt = (value: number): number => {
    let left = Math.floor(value / radix);
    let right = value % radix;
    for (let round = 0; round < ROUNDS; round++) {
      const mixed = draws.words(right, round)[0] % radix;
      [left, right] = [right, (left ^ mixed) >>> 0];
    }
    return left * radix + right;
  };
  return (index) => {
    let value = encrypt(index);
    while (value >= n) value = encrypt(value);
    return value;
  };
}

/** A random permutation of 0..n-1. */
export function permutation(n: number, draws: Draws): Permutation {
  if (n > SORT_LIMIT) return feistel(n, draws);
  const order = draws.shuffle(n);
  return (index) => order[index] as number;
}

export interface SamplerOptions {
  /** Records to choose from, at least one batch. */
  length: number;
  batchSize: number;
  seed: number;
  stage: number;
  sampling: "permutation" | "with-replacement";
}

/**
 * The records of training step `step`, the `ordinal`-th batch of its dataset; the two differ where batches of others lie
 * between. An epoch drops what does not fill a batch.
 */
export function sampler(options: SamplerOptions): (step: number, ordinal?: number) => Uint32Array {
  const { length, batchSize, seed, stage } = options;
  if (options.sampling === "with-replacement") {
    return (step) => {
      const draws = new Draws(seed, stage, step, Purpose.sampleOrder);
      return Uint32Array.from({ length: batchSize }, (_, i) => draws.below(length, i));
    };
  }
  const perEpoch = Math.floor(length / batchSize);
  let cached = { epoch: -1, order: (index: number) => index };
  return (step, ordinal = step) => {
    const epoch = Math.floor(ordinal / perEpoch);
    if (cached.epoch !== epoch) {
      const draws = new Draws(seed, stage, epoch, Purpose.sampleOrder);
      cached = { epoch, order: permutation(length, draws) };
    }
    const first = (ordinal % perEpoch) * batchSize;
    return Uint32Array.from({ length: batchSize }, (_, i) => cached.order(first + i));
  };
}
