/**
 * A contender's child process: JSON lines in, one JSON line out for each.
 *
 * Invariant: one request is under way at a time; a process that ends or answers nonsense fails the request.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

export interface Command {
  executable: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Whether the peers' Python runs it. */
  python?: true;
}

/** What a contender tells when it is ready. */
export interface Ready {
  ready: true;
  version: string;
  threads: number;
  /** Resident set before anything was made: the libraries. */
  librariesBytes?: number;
  /** Anything a reader of the report should know. */
  note?: string;
}

const STDERR_KEPT = 2000;

export class Worker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;
  #errors = "";

  private constructor(command: Command) {
    const env = { ...process.env, ...command.env };
    this.#child = spawn(command.executable, [...command.args], { env });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stderr.on("data", (text) => {
      this.#errors = (this.#errors + text).slice(-STDERR_KEPT);
    });
    this.#child.on("error", (error) => {
      this.#errors += error.message;
    });
    this.#child.stdin.on("error", () => {});
  }

  /** Starts the process and waits until it is ready. */
  static async start(command: Command, configuration: unknown): Promise<[Worker, Ready]> {
    const worker = new Worker(command);
    return [worker, (await worker.ask(configuration)) as Ready];
  }

  /** Sends one object and returns the answer. */
  async ask(request: unknown): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) {
      const code = await this.#exited;
      const last = this.#errors.trim() || `exit code ${code}`;
      throw new Error(`${this.#child.spawnfile} ended early: ${last}`);
    }
    return JSON.parse(value);
  }

  /** Forgets the largest resident memory so far. */
  resetPeak(): void {
    writeFileSync(`/proc/${this.#child.pid}/clear_refs`, "5");
  }

  /** Largest resident memory since then, in bytes. */
  peakResidentBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}
