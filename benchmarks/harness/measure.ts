/**
 * Measures the contenders of one variant: agreement first, then timed rounds that alternate between them.
 *
 * Invariant: a contender whose result is wrong or that breaks is refused and has no row; every contender's step runs
 * while the others idle.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { PeakMeter, Precision } from "./peak.js";
import { interquartileRange, median } from "./statistics.js";
import { type Command, type Ready, Worker } from "./worker.js";

export interface Contender {
  name: string;
  command: Command;
  configuration: unknown;
  /**
   * `compared` (default): its outcome must be the others'. `own`: it computes something else and compares that itself.
   * `none`: another one's code with a part of the work taken away.
   */
  check?: "compared" | "own" | "none";
  /** Operations of the matrix products that it executes in a step; the variant's by default. */
  executedFlops?: number;
}

/** What every contender computes from the same generated inputs, by name. */
export type Outcome = Record<string, number>;

export interface Variant {
  /** Name of the case with everything that tells it apart. */
  case: string;
  contenders: Contender[];
  /** Name of the contender that the others' speeds are divided by and whose outcome is right. */
  baseline: string;
  samplesPerStep: number;
  /** Floating-point operations of one step, as stated by the case. */
  flopsPerStep: number;
  /** Of the matrix product that gives the machine's peak; none where the case multiplies no matrices. */
  precision?: Precision;
  /** Bytes that every contender holds between steps; peaks are also told without them and the libraries. */
  stateBytes?: number;
  /** Largest relative difference of each quantity of the outcome. */
  agreement: Record<string, number>;
  /** Makes the files that contenders read. */
  prepare?(): void | Promise<void>;
  /** Contenders start and agree all at once, on machines with cores for all of them. */
  together?: boolean;
  /** Where the case needs other numbers of rounds than the run. */
  plan?: Partial<Plan>;
}

export interface Plan {
  warmups: number;
  rounds: number;
  /** A contender whose warm-up took longer is not run again: that step is its only sample. */
  slowSeconds: number;
  /** Variants' own numbers of rounds do not count. */
  fixed?: true;
}

export interface Row {
  case: string;
  contender: string;
  samplesPerSecond: number;
  /** Seconds of a step. */
  median: number;
  iqr: number;
  steps: number;
  /** Largest resident set of the steps, warm-up included, checks left out. */
  peakRssBytes: number;
  /** Peak without the libraries and the variant's `stateBytes`. */
  beyondStateBytes?: number;
  /** The most that was held of a GPU's memory. */
  peakDeviceBytes?: number;
  /** The variant's operations over seconds, whatever the contender leaves out. */
  tflops: number;
  /** Executed operations over seconds as a share of `peakTflops`. */
  share?: number;
  /** A matrix product in this precision, measured between the rounds. */
  peakTflops?: number;
  /** Samples per second over the baseline's, whose own ratio is 1. */
  ratio: number;
  baseline: string;
  version: string;
  threads: number;
  note?: string;
}

/** A contender that was not timed to the end, and why. */
export interface Refusal {
  case: string;
  contender: string;
  reason: string;
}

export interface Measured {
  rows: Row[];
  refused: Refusal[];
}

interface Steps {
  seconds: number[];
  note?: string;
  peakDeviceBytes?: number;
}

interface Running {
  contender: Contender;
  worker: Worker;
  ready: Ready;
  seconds: number[];
  slow: boolean;
  /** What the last step told. */
  last: Omit<Steps, "seconds">;
}

/** Long enough for idle worker threads of the other process to stop spinning. */
const PAUSE_MS = 300;

function difference(a = Number.NaN, b = Number.NaN): number {
  return a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
}

/** The contenders of a variant that still take part. */
class Field {
  readonly variant: Variant;
  readonly refused: Refusal[] = [];
  all: Running[] = [];

  constructor(variant: Variant) {
    this.variant = variant;
  }

  async refuse(contender: Contender, reason: string): Promise<void> {
    this.refused.push({ case: this.variant.case, contender: contender.name, reason });
    const gone = this.all.filter((running) => running.contender === contender);
    this.all = this.all.filter((running) => running.contender !== contender);
    await Promise.all(gone.map(({ worker }) => worker.stop()));
  }

  /** Does `work` with each in turn; those that fail are refused. */
  async each(list: readonly Running[], work: (one: Running) => Promise<unknown>): Promise<void> {
    for (const one of list) {
      if (!this.all.includes(one)) continue;
      await work(one).catch((error: Error) => this.refuse(one.contender, error.message));
    }
  }

  /** The same, all at once where the variant allows it. */
  async together(
    list: readonly Running[],
    work: (one: Running) => Promise<unknown>,
  ): Promise<void> {
    if (!this.variant.together) return this.each(list, work);
    await Promise.all(list.map((one) => this.each([one], work)));
  }

  async #start(contender: Contender): Promise<void> {
    try {
      const [worker, ready] = await Worker.start(contender.command, contender.configuration);
      this.all.push({ contender, worker, ready, seconds: [], slow: false, last: {} });
    } catch (error) {
      await this.refuse(contender, (error as Error).message);
    }
  }

  async start(): Promise<void> {
    const { contenders, together } = this.variant;
    if (together) await Promise.all(contenders.map((contender) => this.#start(contender)));
    else for (const contender of contenders) await this.#start(contender);
    const place = ({ contender }: Running) => contenders.indexOf(contender);
    this.all.sort((a, b) => place(a) - place(b));
  }

  /** Refuses whoever computes something else than the baseline. */
  async agree(): Promise<void> {
    const outcomes = new Map<Running, Outcome>();
    const asked = this.all.filter(({ contender }) => contender.check !== "none");
    await this.together(asked, async (one) => {
      const outcome = (await one.worker.ask({ command: "check" })) as Outcome;
      if (one.contender.check !== "own") outcomes.set(one, outcome);
    });
    const compared = [...outcomes.keys()];
    const right =
      compared.find(({ contender }) => contender.name === this.variant.baseline) ?? compared.at(-1);
    if (right === undefined) return;
    await this.each(compared, async (one) => {
      const reason = this.disagreement([right, outcomes.get(right)], [one, outcomes.get(one)]);
      if (reason) throw new Error(reason);
    });
  }

  disagreement(
    [right, wanted]: [Running, Outcome | undefined],
    [one, found]: [Running, Outcome | undefined],
  ): string | undefined {
    for (const [quantity, limit] of Object.entries(this.variant.agreement)) {
      const [a, b] = [wanted?.[quantity], found?.[quantity]];
      if (difference(a, b) <= limit) continue;
      const names = `${right.contender.name} and ${one.contender.name}`;
      return `${names} disagree on ${quantity} (${a} and ${b}); not timed`;
    }
    return undefined;
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map(({ worker }) => worker.stop()));
  }
}

async function stepSeconds(running: Running): Promise<number[]> {
  const answer = (await running.worker.ask({ command: "steps", count: 1 })) as Steps;
  const { seconds, ...last } = answer;
  running.last = { ...last, note: last.note ?? running.ready.note };
  await sleep(PAUSE_MS);
  return seconds;
}

async function warmUp(running: Running, plan: Plan): Promise<void> {
  const seconds: number[] = [];
  for (let i = 0; i < plan.warmups && !running.slow; i++) {
    seconds.push(...(await stepSeconds(running)));
    // The first step of a compiled contender is its compilation.
    running.slow = seconds.length > 1 && Math.min(...seconds) > plan.slowSeconds;
  }
  if (running.slow) running.seconds = seconds.slice(-1);
}

async function timeRounds(field: Field, plan: Plan, sample: () => Promise<void>): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    await sample();
    // Whoever goes first changes from round to round.
    const order = round % 2 === 0 ? field.all : [...field.all].reverse();
    await field.each(order, async (one) => {
      if (!one.slow) one.seconds.push(...(await stepSeconds(one)));
    });
  }
}

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

function rowsOf({ variant, all }: Field, peaks: readonly number[]): Row[] {
  const timed = all.filter(({ seconds }) => seconds.length > 0);
  const speed = (running: Running) => variant.samplesPerStep / median(running.seconds);
  // Where the command line leaves the case's own baseline out, the last contender is it.
  const named = timed.find(({ contender }) => contender.name === variant.baseline);
  const baseline = named ?? timed.at(-1);
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
      ratio: baseline ? speed(running) / speed(baseline) : Number.NaN,
      baseline: baseline?.contender.name ?? variant.baseline,
      version: ready.version,
      threads: ready.threads,
      ...(last.note && { note: last.note }),
    };
  });
}

/** Runs one variant: a process per contender, agreement, warm-up, alternating rounds. */
export async function measure(
  variant: Variant,
  runPlan: Plan,
  meter?: Pick<PeakMeter, "tflops">,
): Promise<Measured> {
  const plan = { ...runPlan, ...(runPlan.fixed ? {} : variant.plan) };
  const field = new Field(variant);
  const peaks: number[] = [];
  const sample = async () => {
    if (variant.precision && meter) peaks.push(await meter.tflops(variant.precision));
  };
  try {
    await variant.prepare?.();
    await field.start();
    await field.agree();
    for (const { worker } of field.all) worker.resetPeak();
    await field.each(field.all, (one) => warmUp(one, plan));
    await timeRounds(field, plan, sample);
    return { rows: rowsOf(field, peaks), refused: field.refused };
  } finally {
    await field.stop();
  }
}
