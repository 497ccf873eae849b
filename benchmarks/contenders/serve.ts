/**
 * The loop of this package's workers: JSON lines in, one JSON line out for each.
 *
 * Invariant: nothing but what a worker's `step` says is timed.
 */
import { createInterface } from "node:readline";
import { buildInfo } from "../../lib/trainer.js";
import type { Outcome } from "../harness/variant.js";
import type { Ready } from "../harness/worker.js";

/** Flat places in parameters, by their names. */
export type Places = Record<string, { at: number[] }>;

/** Gradients at places. */
export type Gradients = Record<string, { values: number[] }>;

export interface Contestant {
  check(): Promise<Outcome>;
  /** Of the batch that `check` is about. */
  gradients?(places: Places): Promise<Gradients>;
  /** Seconds of one step. */
  step(number: number): Promise<number>;
  /** Anything that the steps found out. */
  note?(): string | undefined;
  /** The most that was held of a GPU's memory so far. */
  peakDeviceBytes?(): number | undefined;
  close?(): Promise<void>;
}

type Request =
  | { command: "check" }
  | { command: "gradients"; places: Places }
  | { command: "steps"; count: number };

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function* answers<Configuration>(
  lines: AsyncIterable<string>,
  make: (configuration: Configuration) => Promise<Contestant>,
) {
  let contestant: Contestant | undefined;
  let step = 0;
  for await (const line of lines) {
    if (!contestant) {
      const { libtorch } = buildInfo();
      const librariesBytes = process.memoryUsage.rss();
      contestant = await make(JSON.parse(line));
      globalThis.gc?.();
      const { threads } = buildInfo();
      const version = `LibTorch ${libtorch}`;
      yield { ready: true, version, threads, librariesBytes } satisfies Ready;
      continue;
    }
    const request: Request = JSON.parse(line);
    if (request.command === "check") {
      yield await contestant.check();
      continue;
    }
    if (request.command === "gradients") {
      yield await contestant.gradients?.(request.places);
      continue;
    }
    const seconds: number[] = [];
    for (let i = 0; i < request.count; i++) seconds.push(await contestant.step(step++));
    const peakDeviceBytes = contestant.peakDeviceBytes?.();
    yield { seconds, note: contestant.note?.(), peakDeviceBytes };
  }
  await contestant?.close?.();
}

/** Answers requests until the input ends; the first line is the configuration. */
export async function serve<Configuration>(
  make: (configuration: Configuration) => Promise<Contestant>,
): Promise<void> {
  for await (const answer of answers(createInterface({ input: process.stdin }), make)) {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
