/**
 * The time of a step on a whole batch, from timed steps on all of it or on small parts.
 *
 * Invariant: a step has a share that does not grow with its samples (the optimiser's, that of a large vocabulary), so
 * the time of a part is never scaled up as if it grew in proportion.
 */

/** Seconds of one step on so many samples. */
export type TimeStep = (samples: number) => Promise<number>;

/** Samples of the first timed steps; all of the batch at once where steps are recorded for each number of samples. */
const FIRST_SAMPLES = 2;
/** A part that takes longer than this is not doubled again. */
const LONG_SECONDS = 0.5;
/** Steps up to this long are timed so often, and the median counts. */
const SHORT_SECONDS = 0.2;
const TIMED_STEPS = 3;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

/** Seconds of a step after `warmUp` ones that allocate and record. */
async function timePart(samples: number, warmUp: number, time: TimeStep): Promise<number> {
  for (let step = 0; step < warmUp; step++) await time(samples);
  const first = await time(samples);
  if (first > SHORT_SECONDS) return first;
  const timed = [first];
  while (timed.length < TIMED_STEPS) timed.push(await time(samples));
  return median(timed);
}

/**
 * Seconds of a step on `batch` samples: timed, or where parts of it take long already, on the line through the two
 * largest parts.
 */
export async function estimateStep(
  batch: number,
  time: TimeStep,
  { whole, warmUp }: { whole: boolean; warmUp: number },
): Promise<number> {
  let samples = whole ? batch : Math.min(FIRST_SAMPLES, batch);
  let seconds = await timePart(samples, warmUp, time);
  let slope = 0;
  while (samples < batch && (samples === FIRST_SAMPLES || seconds <= LONG_SECONDS)) {
    const [fewer, before] = [samples, seconds];
    samples = Math.min(2 * samples, batch);
    seconds = await timePart(samples, warmUp, time);
    slope = Math.min(seconds / samples, Math.max(0, seconds - before) / (samples - fewer));
  }
  return seconds + slope * (batch - samples);
}
