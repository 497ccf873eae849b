/**
 * Percentiles with linear interpolation between order statistics (NumPy's default), by selection instead of a sort.
 */

/** Moves the k smallest values to the front, the k-th (from 0) to its place (Hoare). */
function select(values: Float32Array, k: number, from: number): void {
  let low = from;
  let high = values.length - 1;
  while (low < high) {
    const pivot = values[(low + high) >>> 1] as number;
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] as number) < pivot) i++;
      while ((values[j] as number) > pivot) j--;
      if (i > j) break;
      const held = values[i] as number;
      values[i++] = values[j] as number;
      values[j--] = held;
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else return;
  }
}

function least(values: Float32Array, from: number): number {
  let found = Number.POSITIVE_INFINITY;
  for (let i = from; i < values.length; i++) found = Math.min(found, values[i] as number);
  return found;
}

/** The percentiles `at` (from 0 to 100, ascending) of finite values. */
export function percentiles(values: Float32Array, at: readonly number[]): number[] {
  const work = values.slice();
  let from = 0;
  return at.map((percent) => {
    const position = (percent / 100) * (work.length - 1);
    const k = Math.floor(position);
    select(work, k, from);
    from = k;
    const below = work[k] as number;
    const above = k + 1 < work.length ? least(work, k + 1) : below;
    return below + (above - below) * (position - k);
  });
}
