/**
 * Runs fuzz targets in processes of their own under the limits of `pack`. An input that crashes its process, hangs, takes
 * too much memory or ends in an error that is not one of ours fails, and is written to `keep`.
 */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DecoderProcess } from "../../lib/data/pack/decoder-process.js";
import { packDefaults } from "../helpers/packing.js";
import type { FuzzReply, FuzzRequest } from "./child.js";
import { makeInput } from "./target.js";

export interface FuzzOptions {
  targets: readonly string[];
  /** Of each target. */
  inputs: number;
  seed: number;
  processes: number;
  /** Folder for inputs that failed. */
  keep: string;
  onTarget?(report: TargetReport): void;
}

export interface TargetReport {
  target: string;
  inputs: number;
  seconds: number;
  outcomes: Record<string, number>;
  failures: string[];
}

/** What `pack` allows a file: a damaged JPEG-LS frame keeps CharLS busy for 13 s before it gives up. */
const { seconds, memoryBytes } = packDefaults().limits;
const allowed = { secondsPerFile: seconds, memoryBytes };
/** Inputs that one process is asked for at once. */
const BLOCK = 500;
const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
const program = new URL(`./child.${ending}`, import.meta.url);

type Fuzzer = DecoderProcess<FuzzRequest, FuzzReply>;

async function keepInput(keep: string, { target, seed }: FuzzRequest, index: number) {
  const folder = join(keep, `${target}-seed${seed}-input${index}`);
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of await makeInput(target, seed, index)) {
    await writeFile(join(folder, name), bytes);
  }
}

async function fuzzTarget(target: string, options: FuzzOptions, own: { process: Fuzzer }) {
  const { inputs, seed, keep } = options;
  const started = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "medcoss-fuzz-"));
  const report: TargetReport = { target, inputs, seconds: 0, outcomes: {}, failures: [] };
  const count = (result: string, by: number) => {
    report.outcomes[result] = (report.outcomes[result] ?? 0) + by;
  };
  for (let from = 0; from < inputs; ) {
    const request = { target, seed, from, to: Math.min(inputs, from + BLOCK), folder };
    const outcome = await own.process.run(request, allowed);
    const fail = async (index: number, problem: string) => {
      report.failures.push(`${target} --seed ${seed}, input ${index}: ${problem}`);
      await keepInput(keep, request, index);
    };
    if ("answer" in outcome) {
      const { outcomes, defects } = outcome.answer;
      for (const [result, by] of Object.entries(outcomes)) count(result, by);
      for (const { index, problem } of defects) await fail(index, problem);
      from = request.to;
      continue;
    }
    const { file = from, cause } = outcome;
    await fail(file, `${cause} ${own.process.errors.slice(0, 500)}`);
    await own.process.close();
    own.process = new DecoderProcess(program);
    // What came before is decoded once more, so that it is counted.
    const before = await own.process.run({ ...request, to: file }, allowed);
    if ("answer" in before)
      for (const [r, by] of Object.entries(before.answer.outcomes)) count(r, by);
    count(cause, 1);
    from = file + 1;
  }
  await rm(folder, { recursive: true, force: true });
  report.seconds = (performance.now() - started) / 1000;
  return report;
}

/** Fuzzes all targets; reports come in the order in which they finish. */
export async function fuzz(options: FuzzOptions): Promise<TargetReport[]> {
  const open = [...options.targets];
  const reports: TargetReport[] = [];
  const work = async () => {
    const own = { process: new DecoderProcess(program) as Fuzzer };
    try {
      for (let target = open.shift(); target !== undefined; target = open.shift()) {
        const report = await fuzzTarget(target, options, own);
        reports.push(report);
        options.onTarget?.(report);
      }
    } finally {
      await own.process.close();
    }
  };
  await Promise.all(Array.from({ length: options.processes }, work));
  return reports;
}
