/**
 * Measures the contenders of one variant: agreement first, then timed rounds that alternate between them.
 *
 * Invariant: a contender whose result is wrong or that breaks is refused and has no row; every contender's step runs
 * while the others idle.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Field, type Running, type Steps } from "./field.js";
import type { PeakMeter } from "./peak.js";
import { Progress, type Write } from "./progress.js";
import { rowsOf } from "./rows.js";
import type { Measured, Plan, Variant } from "./variant.js";

/** Long enough for idle worker threads of the other process to stop spinning, where contenders share cores. */
const PAUSE_MS = 300;

async function stepSeconds(running: Running, { together }: Variant): Promise<number[]> {
  const answer = (await running.worker.ask({ command: "steps", count: 1 })) as Steps;
  const { seconds, ...last } = answer;
  running.last = { ...last, note: last.note ?? running.ready.note };
  if (!together) await sleep(PAUSE_MS);
  return seconds;
}

async function warmUp(
  running: Running,
  variant: Variant,
  plan: Plan,
  progress: Progress,
): Promise<void> {
  const seconds: number[] = [];
  for (let i = 0; i < plan.warmups && !running.slow; i++) {
    seconds.push(...(await stepSeconds(running, variant)));
    progress.tell(running.contender.name, seconds.at(-1) as number);
    // The first step of a compiled contender is its compilation.
    running.slow = seconds.length > 1 && Math.min(...seconds) > plan.slowSeconds;
  }
  if (running.slow) running.seconds = seconds.slice(-1);
}

async function timeRound(field: Field, round: number, progress: Progress): Promise<void> {
  // Whoever goes first changes from round to round.
  const order = round % 2 === 0 ? field.all : [...field.all].reverse();
  await field.each(order, async (one) => {
    if (one.slow) return;
    const seconds = await stepSeconds(one, field.variant);
    one.seconds.push(...seconds);
    progress.tell(one.contender.name, seconds.at(-1) as number);
  });
}

/** What a run gives every variant. */
export interface Surroundings {
  /** Of the machine's peak; none where nothing is to be compared with it. */
  meter?: Pick<PeakMeter, "tflops">;
  /** Takes what is under way, in pieces of lines. */
  write?: Write;
}

/** Runs one variant: a process per contender, agreement, warm-up, alternating rounds. */
export async function measure(
  variant: Variant,
  runPlan: Plan,
  { meter, write = () => {} }: Surroundings = {},
): Promise<Measured> {
  const plan = { ...runPlan, ...(runPlan.fixed ? {} : variant.plan) };
  const progress = new Progress(write);
  const field = new Field(variant, progress);
  const peaks: number[] = [];
  try {
    if (variant.prepare) {
      const made = async () => variant.prepare?.();
      await progress.phase("inputs", () => progress.timed("made in", made));
    }
    await progress.phase("start", () => field.start());
    await progress.phase("check", () => field.agree());
    for (const { worker } of field.all) worker.resetPeak();
    await progress.phase("warm-up", () =>
      field.each(field.all, (one) => warmUp(one, variant, plan, progress)),
    );
    for (let round = 0; round < plan.rounds; round++) {
      if (variant.precision && meter) peaks.push(await meter.tflops(variant.precision));
      const label = `round ${round + 1} of ${plan.rounds}`;
      await progress.phase(label, () => timeRound(field, round, progress));
    }
    return { rows: rowsOf(field, peaks), refused: field.refused };
  } finally {
    await field.stop();
  }
}
