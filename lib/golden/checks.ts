/**
 * Comparing recomputed with stored values: each comparison becomes one check with its deviation and limit.
 *
 * Invariant: a check passes only where its deviation is a number and within the limit; limits are those of float32.
 */
import type { Tensor } from "../safetensors.js";

/** Relative limit of losses and parameter norms. */
const LOSS_LIMIT = 1e-5;
const NORM_LIMIT = 1e-4;
/** Gradients with a smaller norm are compared absolutely. */
const SMALL_NORM = 1e-5;
const SMALL_NORM_LIMIT = 1e-7;
const SAMPLE_LIMIT = 1e-3;
const SAMPLE_FLOOR = 1e-9;
/** Limit of features, as a share of the stored tensor's standard deviation; of centres, absolute. */
const FEATURE_LIMIT = 1e-4;

export interface Check {
  case: string;
  name: string;
  /** How far the recomputed value is from the stored one; infinite where only one of them exists. */
  deviation: number;
  limit: number;
  /** Deviation over limit: at most 1 passes. */
  share: number;
  passed: boolean;
}

export interface Gradient {
  l2: number;
  values: readonly number[];
}

/** A stored gradient: its norm, and its values `val` at the flat indices `at`, the last of which is the last element. */
export interface StoredGradient {
  l2: number;
  at: readonly number[];
  val: readonly number[];
}

/** The unbiased one, as the stored deviations are. */
function standardDeviation(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += ((values[i] as number) - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/** Largest distance of two arrays; infinite where their lengths differ, NaN where a value is NaN. */
function largestDistance(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < want.length; i++) {
    const distance = Math.abs((got[i] as number) - (want[i] as number));
    if (!(distance <= largest)) largest = distance;
    if (Number.isNaN(largest)) break;
  }
  return largest;
}

/** Collects checks in the order they are made. */
export class Checks {
  readonly all: Check[] = [];
  readonly #onCheck: (check: Check) => void;

  constructor(onCheck: (check: Check) => void = () => {}) {
    this.#onCheck = onCheck;
  }

  within(kase: string, name: string, deviation: number, limit: number): void {
    const share = deviation === 0 ? 0 : deviation / limit;
    const check = { case: kase, name, deviation, limit, share, passed: share <= 1 };
    this.all.push(check);
    this.#onCheck(check);
  }

  /** A loss or a parameter's norm. */
  relative(kase: string, name: string, got: number, want: number): void {
    this.within(kase, name, Math.abs(got - want), LOSS_LIMIT * Math.abs(want));
  }

  /** Every value equal. */
  equal(kase: string, name: string, got: ArrayLike<number>, want: ArrayLike<number>): void {
    this.within(kase, name, largestDistance(got, want), 0);
  }

  /** Features: within a share of the stored tensor's standard deviation. */
  features(kase: string, name: string, got: ArrayLike<number>, want: Tensor): void {
    const limit = FEATURE_LIMIT * standardDeviation(want.data);
    this.within(kase, name, largestDistance(got, want.data), limit);
  }

  /** Mean and standard deviation of features, where they are stored. */
  moments(kase: string, got: ArrayLike<number>, mean?: number, deviation?: number): void {
    const limit = FEATURE_LIMIT * (deviation ?? standardDeviation(got));
    let sum = 0;
    for (let i = 0; i < got.length; i++) sum += got[i] as number;
    if (mean !== undefined) {
      this.within(kase, "feature_mean", Math.abs(sum / got.length - mean), limit);
    }
    if (deviation !== undefined) {
      const distance = Math.abs(standardDeviation(got) - deviation);
      this.within(kase, "feature_std", distance, limit);
    }
  }

  centres(kase: string, got: ArrayLike<number>, want: Tensor): void {
    this.within(kase, "centres", largestDistance(got, want.data), FEATURE_LIMIT);
  }

  /** One check for each parameter that has a gradient on either side. */
  gradients(
    kase: string,
    got: Readonly<Record<string, Gradient>>,
    want: Readonly<Record<string, StoredGradient>>,
  ): void {
    for (const name of new Set([...Object.keys(want), ...Object.keys(got)])) {
      this.#gradient(kase, `gradient of ${name}`, got[name], want[name]);
    }
  }

  #gradient(kase: string, name: string, got?: Gradient, want?: StoredGradient): void {
    if (!got || !want) {
      this.within(kase, `${name}, on one side only`, Number.POSITIVE_INFINITY, 0);
      return;
    }
    const normLimit = want.l2 < SMALL_NORM ? SMALL_NORM_LIMIT : NORM_LIMIT * want.l2;
    const size = Math.max(...want.at) + 1;
    const typical = Math.max(want.l2 / Math.sqrt(size), ...want.val.map(Math.abs));
    const sampleLimit = Math.max(SAMPLE_LIMIT * typical, SAMPLE_FLOOR);
    const norm = Math.abs(got.l2 - want.l2);
    const sample = largestDistance(got.values, want.val);
    const bySample = Number.isNaN(sample) || sample / sampleLimit > norm / normLimit;
    this.within(kase, name, bySample ? sample : norm, bySample ? sampleLimit : normLimit);
  }
}
