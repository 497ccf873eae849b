/**
 * The decoding processes, one request each at a time.
 *
 * Invariant: every file gets a result. A file that a process died of is rejected; where the process had decoded others
 * before, it is tried once more in a new one, so that no file pays for what another one left behind.
 */
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Limits } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { formatBytes } from "../../format.js";
import type { Scanned } from "../formats/dicom/scan.js";
import { type Allowance, type Cause, DecoderProcess, type Outcome } from "./decoder-process.js";
import type { FileResult, Request, ScanFile, Task } from "./protocol.js";
import type { Scan } from "./series.js";

/** Time to look at one file's header. */
const SCAN_SECONDS = 5;
/** A process that holds more than this share of its limit after a request is ended, which gives the memory back. */
const KEPT_SHARE = 0.25;

function rejection(cause: Cause, format: string, allowed: Allowance): FileResult {
  const { secondsPerFile, memoryBytes } = allowed;
  const errors = {
    time: () => new MedcossError("E_FILE_TIME", { limit: secondsPerFile }),
    memory: () => new MedcossError("E_FILE_MEMORY", { limit: formatBytes(memoryBytes) }),
    crash: () => new MedcossError("E_FILE_FORMAT", { format, problem: "its decoder crashed" }),
  };
  const { code, message: reason } = errors[cause]();
  return { status: "rejected", code, reason };
}

/** Whether the file is to blame for the end of its process, and not one before it. */
const isToBlame = (cause: Cause, fresh: boolean, file: number) =>
  cause === "time" || (fresh && file === 0);

export class DecoderPool {
  readonly #memoryBytes: number;
  readonly #idle: DecoderProcess[] = [];
  readonly #all = new Set<DecoderProcess>();
  readonly #waiting: Array<() => void> = [];
  #free: number;
  #closed = false;

  constructor(workers: number, { memoryBytes }: Pick<Limits, "memoryBytes">) {
    this.#free = workers;
    this.#memoryBytes = memoryBytes;
  }

  /** Results in the order of the task's files. */
  async run(task: Task, secondsPerFile: number): Promise<FileResult[]> {
    await this.#acquire();
    try {
      return await this.#attempt(task, { secondsPerFile, memoryBytes: this.#memoryBytes });
    } finally {
      this.#release();
    }
  }

  /** What each file is to a series; one that cannot be looked at is left to its decoder. */
  readonly scan: Scan = async (files) => {
    await this.#acquire();
    try {
      return await this.#scanAll(files);
    } finally {
      this.#release();
    }
  };

  /** Ends all processes; what was not answered fails with E_CLOSED. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((decoder) => decoder.close()));
  }

  async #scanAll(files: ScanFile[]): Promise<Scanned[]> {
    if (files.length === 0) return [];
    const allowed = { secondsPerFile: SCAN_SECONDS, memoryBytes: this.#memoryBytes };
    const { outcome } = await this.#ask({ scan: files }, allowed);
    if ("answer" in outcome) return (outcome.answer as { scanned: Scanned[] }).scanned;
    const { file = 0 } = outcome;
    const before = await this.#scanAll(files.slice(0, file));
    return [...before, { use: "other" }, ...(await this.#scanAll(files.slice(file + 1)))];
  }

  async #attempt(task: Task, allowed: Allowance, anew = false): Promise<FileResult[]> {
    const { outcome, fresh } = await this.#ask({ pack: task }, allowed, anew);
    if ("answer" in outcome) {
      const { answer } = outcome;
      if ("failed" in answer) throw new MedcossError(answer.failed, answer.values);
      return (answer as { results: FileResult[] }).results;
    }
    await rm(task.output, { force: true });
    const { cause, file = 0 } = outcome;
    const rejected = isToBlame(cause, fresh, file)
      ? rejection(cause, task.recipe, allowed)
      : undefined;
    return this.#inParts(task, file, rejected, allowed);
  }

  /** Everything but file `file`, and that one alone unless its result is known; records stay in the files' order. */
  async #inParts(
    task: Task,
    file: number,
    rejected: FileResult | undefined,
    allowed: Allowance,
  ): Promise<FileResult[]> {
    const results: FileResult[] = [];
    const add = async (files: Task["files"], anew = false) => {
      if (files.length === 0) return;
      const part = { ...task, files, output: `${task.output}.part` };
      results.push(...(await this.#attempt(part, allowed, anew)));
      await appendFrom(part.output, task.output);
    };
    await add(task.files.slice(0, file));
    if (rejected) results.push(rejected);
    else await add(task.files.slice(file, file + 1), true);
    await add(task.files.slice(file + 1));
    return results;
  }

  /** Asks a process that has time, or a new one. */
  async #ask(
    request: Request,
    allowed: Allowance,
    anew = false,
  ): Promise<{ outcome: Outcome; fresh: boolean }> {
    this.#checkOpen();
    const decoder = this.#take(anew);
    const { fresh } = decoder;
    const outcome = await decoder.run(request, allowed);
    this.#checkOpen();
    if (decoder.alive && decoder.residentBytes < KEPT_SHARE * this.#memoryBytes) {
      this.#idle.push(decoder);
    } else {
      await decoder.close();
      this.#all.delete(decoder);
    }
    if (!("answer" in outcome) && outcome.file === undefined && fresh) {
      const problem = `a decoding process does not start: ${decoder.errors.slice(0, 500)}`;
      throw new MedcossError("E_INTERNAL", { problem });
    }
    return { outcome, fresh };
  }

  #checkOpen(): void {
    if (this.#closed) throw new MedcossError("E_CLOSED", { what: "decoder pool" });
  }

  #take(anew: boolean): DecoderProcess {
    let decoder = anew ? undefined : this.#idle.pop();
    while (decoder && !decoder.alive) decoder = this.#idle.pop();
    decoder ??= new DecoderProcess();
    this.#all.add(decoder);
    return decoder;
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

/** Moves a part's records behind those before them; a part without records has no file. */
async function appendFrom(from: string, to: string): Promise<void> {
  if (!existsSync(from)) return;
  await pipeline(createReadStream(from), createWriteStream(to, { flags: "a" }));
  await rm(from);
}
