/**
 * From a network's values to shown grey levels.
 *
 * Invariant: original and prediction of a sample share one window, taken from the original, so their greys compare.
 */

/** Values shown as black and as white. */
export type Window = [low: number, high: number];

/** -1024 to 400 HU in units of 1024 HU: lung, soft tissue and bone stay apart. */
export const ctWindow: Window = [-1, 400 / 1024];

/** The window between two percentiles of the finite values; a constant gives a window of width 1. */
export function percentileWindow(values: Float32Array, low: number, high: number): Window {
  const stride = Math.max(1, Math.floor(values.length / 65536));
  const sample: number[] = [];
  for (let i = 0; i < values.length; i += stride) {
    const value = values[i] as number;
    if (Number.isFinite(value)) sample.push(value);
  }
  const sorted = Float32Array.from(sample).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [from, to] = [at(low / 100), at(high / 100)];
  return to > from ? [from, to] : [from, from + 1];
}

/** A grey level from 0 to 255, clamped; values that are not finite are black. */
export function greyLevel(value: number, [low, high]: Window): number {
  const level = Math.round((255 * (value - low)) / (high - low));
  return level > 0 ? Math.min(255, level) : 0;
}
