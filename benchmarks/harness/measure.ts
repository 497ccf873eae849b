/**
 * Measures the contenders of one variant: agreement first, then timed rounds that alternate between them.
 *
 * Invariant: contenders whose results differ are never timed; every contender's step runs while the others idle.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { interquartileRange, median } from "./statistics.js";
import { type Command, type Ready, Worker } from "./worker.js";

export interface Contender {
  name: string;
  command: Command;
  configuration: unknown;
  /** Set where the contender is another one's code with a part of the work taken away. */
  unchecked?: true;
}

/** What every contender computes from the same generated inputs, by name. */
export type Outcome = Record<string, number>;

export interface Variant {
  /** Name of the case with everything that tells it apart. */
  case: string;
  contenders: Contender[];
  /** Name of the contender that the others' speeds are divided by. */
  baseline: string;
  samplesPerStep: number;
  /** Floating-point operations of one step, as stated by the case. */
  flopsPerStep: number;
  /** Largest relative difference of each quantity of the outcome. */
  agreement: Record<string, number>;
  /** Where the case needs other numbers of rounds than the run. */
  plan?: Partial<Plan>;
}

export interface Plan {
  warmups: number;
  rounds: number;
  /** A contender whose warm-up took longer is not run again: that step is its only sample. */
  slowSeconds: number;
  /** Variants' own numbers of rounds do not count. */
  quick?: true;
}

export interface Row {
  case: string;
  contender: string;
  samplesPerSecond: number;
  /** Seconds of a step. */
  median: number;
  iqr: number;
  steps: number;
  peakRssBytes: number;
  tflops: number;
  /** Samples per second over the baseline's, whose own ratio is 1. */
  ratio: number;
  version: string;
  threads: number;
  note?: string;
}

interface Running {
  contender: Contender;
  worker: Worker;
  ready: Ready;
  seconds: number[];
  slow: boolean;
  /** What the steps told last. */
  note?: string;
}

/** Long enough for idle worker threads of the other process to stop spinning. */
const PAUSE_MS = 300;

function difference(a = Number.NaN, b = Number.NaN): number {
  return a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
}

/** Throws unless all contenders computed the same. */
function requireAgreement(variant: Variant, outcomes: readonly Outcome[]): void {
  const [first, ...rest] = outcomes as [Outcome, ...Outcome[]];
  for (const [i, other] of rest.entries()) {
    for (const [quantity, limit] of Object.entries(variant.agreement)) {
      if (difference(first[quantity], other[quantity]) <= limit) continue;
      const checked = variant.contenders.filter(({ unchecked }) => !unchecked);
      const names = `${checked[0]?.name} and ${checked[i + 1]?.name}`;
      const values = `${first[quantity]} and ${other[quantity]}`;
      throw new Error(`${variant.case}: ${names} disagree on ${quantity} (${values}); not timed`);
    }
  }
}

interface Steps {
  seconds: number[];
  note?: string;
}

async function stepSeconds(running: Running, count: number): Promise<number[]> {
  const answer = (await running.worker.ask({ command: "steps", count })) as Steps;
  running.note = answer.note ?? running.ready.note;
  await sleep(PAUSE_MS);
  return answer.seconds;
}

async function warmUp(running: Running, plan: Plan): Promise<void> {
  const seconds: number[] = [];
  for (let i = 0; i < plan.warmups && !running.slow; i++) {
    seconds.push(...(await stepSeconds(running, 1)));
    running.slow = Math.max(...seconds) > plan.slowSeconds;
  }
  if (running.slow) running.seconds = seconds.slice(-1);
}

async function timeRounds(all: readonly Running[], plan: Plan): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    // Whoever goes first changes from round to round.
    const order = round % 2 === 0 ? all : [...all].reverse();
    for (const running of order) {
      if (!running.slow) running.seconds.push(...(await stepSeconds(running, 1)));
    }
  }
}

function rowsOf(variant: Variant, all: readonly Running[]): Row[] {
  const speed = (running: Running) => variant.samplesPerStep / median(running.seconds);
  const baseline = all.find(({ contender }) => contender.name === variant.baseline);
  const reference = baseline ? speed(baseline) : Number.NaN;
  return all.map((running) => ({
    case: variant.case,
    contender: running.contender.name,
    samplesPerSecond: speed(running),
    median: median(running.seconds),
    iqr: interquartileRange(running.seconds),
    steps: running.seconds.length,
    peakRssBytes: running.worker.peakResidentBytes(),
    tflops: variant.flopsPerStep / median(running.seconds) / 1e12,
    ratio: speed(running) / reference,
    version: running.ready.version,
    threads: running.ready.threads,
    ...(running.note && { note: running.note }),
  }));
}

/** Runs one variant: a process per contender, agreement, warm-up, alternating rounds. */
export async function measure(variant: Variant, runPlan: Plan): Promise<Row[]> {
  const own = runPlan.quick ? {} : variant.plan;
  const plan = { ...runPlan, ...own };
  const all: Running[] = [];
  try {
    for (const contender of variant.contenders) {
      const [worker, ready] = await Worker.start(contender.command, contender.configuration);
      all.push({ contender, worker, ready, seconds: [], slow: false });
    }
    const outcomes: Outcome[] = [];
    for (const { worker, contender } of all) {
      if (!contender.unchecked) outcomes.push((await worker.ask({ command: "check" })) as Outcome);
    }
    requireAgreement(variant, outcomes);
    for (const running of all) await warmUp(running, plan);
    await timeRounds(all, plan);
    return rowsOf(variant, all);
  } finally {
    await Promise.all(all.map(({ worker }) => worker.stop()));
  }
}
