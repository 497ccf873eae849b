/**
 * Decoding processes, one task each at a time.
 *
 * Invariants: `run` settles for every task; a process that dies or takes too long is replaced, and the files it held are
 * tried once more, each alone, so that only the one to blame is rejected. The main process lives until `close` is done:
 * Tinypool holds it neither while a decoding process starts nor while one is slow to end.
 */
import { appendFile, readFile, rm } from "node:fs/promises";
import { Tinypool } from "tinypool";
import { MedcossError } from "../../errors.js";
import type { Scanned } from "../formats/dicom/scan.js";
import type { FileResult, Task, TaskFailure } from "./protocol.js";
import type { Scan } from "./series.js";

/** Time for a process to start and load its libraries. */
const START_SECONDS = 30;

/** Time to look at one file's header. */
const SCAN_SECONDS = 5;

/** This file's own ending: the sources run as they are in development. */
const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Runs `work` with a signal that aborts after `seconds`. */
async function within<Result>(
  seconds: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Math.ceil(seconds * 1000));
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

function rejected(problem: string, format: string): FileResult {
  const { code, message } = new MedcossError("E_FILE_FORMAT", { format, problem });
  return { status: "rejected", code, reason: message };
}

export class DecoderPool {
  readonly #pool: Tinypool;
  readonly #waiting: Array<() => void> = [];
  readonly #alive = setInterval(() => undefined, 60_000);
  #free: number;

  constructor(workers: number) {
    this.#free = workers;
    this.#pool = new Tinypool({
      runtime: "child_process",
      env: process.env as Record<string, string>,
      filename: new URL(`./worker.${ending}`, import.meta.url).href,
      minThreads: 1,
      maxThreads: workers,
      idleTimeout: 10_000,
    });
  }

  /** Results in the order of the task's files. */
  async run(task: Task, secondsPerFile: number): Promise<FileResult[]> {
    await this.#acquire();
    try {
      return await this.#attempt(task, secondsPerFile);
    } finally {
      this.#release();
    }
  }

  /** What each file is to a series; one that cannot be looked at is left to its decoder. */
  readonly scan: Scan = async (files) => {
    await this.#acquire();
    try {
      return await within(
        START_SECONDS + SCAN_SECONDS * files.length,
        (signal) => this.#pool.run(files, { name: "scan", signal }) as Promise<Scanned[]>,
      );
    } catch {
      return files.map(() => ({ use: "other" }));
    } finally {
      this.#release();
    }
  };

  async close(): Promise<void> {
    try {
      await this.#pool.destroy();
    } finally {
      clearInterval(this.#alive);
    }
  }

  async #attempt(task: Task, secondsPerFile: number): Promise<FileResult[]> {
    const seconds = START_SECONDS + secondsPerFile * task.files.length;
    let late = false;
    let answer: FileResult[] | TaskFailure;
    try {
      answer = await within(seconds, (signal) => {
        signal.addEventListener("abort", () => {
          late = true;
        });
        return this.#pool.run(task, { signal });
      });
    } catch {
      await rm(task.output, { force: true });
      if (task.files.length > 1) return this.#oneByOne(task, secondsPerFile);
      const problem = late ? `it took over ${secondsPerFile} s` : "its decoder crashed";
      return [rejected(problem, task.recipe)];
    }
    if ("failed" in answer) throw new MedcossError(answer.failed, answer.values);
    return answer;
  }

  /** The records of all go to the one output, in order. */
  async #oneByOne(task: Task, secondsPerFile: number): Promise<FileResult[]> {
    const results: FileResult[] = [];
    for (const file of task.files) {
      const single = { ...task, files: [file], output: `${task.output}.single` };
      results.push(...(await this.#attempt(single, secondsPerFile)));
      await appendFrom(single.output, task.output);
    }
    return results;
  }

  async #acquire(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

async function appendFrom(from: string, to: string): Promise<void> {
  const bytes = await readFile(from).catch(() => undefined);
  if (bytes) await appendFile(to, bytes);
  await rm(from, { force: true });
}
