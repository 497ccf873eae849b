/**
 * A variant's timings as rows.
 *
 * Invariant: a ratio is over the variant's own baseline, never over another contender.
 */
import type { Field, Running } from "./field.js";
import { interquartileRange, median } from "./statistics.js";
import type { Row, Variant } from "./variant.js";

function memory({ worker, ready, last }: Running, { stateBytes }: Variant) {
  const peakRssBytes = worker.peakResidentBytes();
  const { peakDeviceBytes } = last;
  const state = (stateBytes ?? Number.NaN) + (ready.librariesBytes ?? Number.NaN);
  return {
    peakRssBytes,
    ...(Number.isFinite(state) && { beyondStateBytes: peakRssBytes - state }),
    ...(peakDeviceBytes !== undefined && { peakDeviceBytes }),
  };
}

export function rowsOf({ variant, all }: Field, peaks: readonly number[]): Row[] {
  const timed = all.filter(({ seconds }) => seconds.length > 0);
  const speed = (running: Running) => variant.samplesPerStep / median(running.seconds);
  const named = timed.find(({ contender }) => contender.name === variant.baseline);
  const baseline = timed.length > 1 ? named : undefined;
  const peakTflops = median(peaks);
  return timed.map((running) => {
    const { contender, ready, seconds, last } = running;
    const executed = contender.executedFlops ?? variant.flopsPerStep;
    const share = executed / median(seconds) / 1e12 / peakTflops;
    return {
      case: variant.case,
      contender: contender.name,
      samplesPerSecond: speed(running),
      median: median(seconds),
      iqr: interquartileRange(seconds),
      steps: seconds.length,
      ...memory(running, variant),
      tflops: variant.flopsPerStep / median(seconds) / 1e12,
      ...(peaks.length > 0 && { share, peakTflops }),
      ...(baseline && { ratio: speed(running) / speed(baseline), baseline: variant.baseline }),
      version: ready.version,
      threads: ready.threads,
      ...(last.note && { note: last.note }),
    };
  });
}
