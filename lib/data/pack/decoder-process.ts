/**
 * One decoding process, watched from outside: whatever a decoder does, it is ended when a file takes too long or too much
 * memory.
 *
 * Invariant: `run` settles for every request, and says which file a process died of. This process lives while a request
 * runs and until `close` is done.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Place } from "./place.js";
import type { Answer, Request } from "./protocol.js";

/** Time for a process to start and load its libraries. */
const START_SECONDS = 30;
/** Time between two looks at a process. */
const WATCH_MS = 25;
/** What JavaScript objects may take; voxels and pixels lie outside of it. */
const HEAP_MEGABYTES = 512;
const END_SECONDS = 5;
/** Time for what an ended process wrote to arrive. */
const LAST_WORDS_MS = 500;
const ERROR_CHARACTERS = 4096;

/** Why a process ended before it answered. */
export type Cause = "time" | "memory" | "crash";

export type Outcome<Reply = Answer> =
  | { answer: Reply }
  /** `file` is the one that was being decoded; undefined where the process did not come so far. */
  | { cause: Cause; file?: number };

export interface Allowance {
  secondsPerFile: number;
  memoryBytes: number;
}

/** This file's own ending: the sources run as they are in development. */
const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
const decoder = new URL(`./decoder-main.${ending}`, import.meta.url);

/** Options of Node.js that this program was started with; none where they belong to a program given as text. */
function inheritedOptions(): string[] {
  const text = /^(-e|-p|-pe|-i|--eval|--print|--interactive|--input-type)\b/;
  return process.execArgv.some((option) => text.test(option)) ? [] : process.execArgv;
}

function start(program: URL, place: Place): ChildProcess {
  return fork(fileURLToPath(program), [], {
    execArgv: [...inheritedOptions(), "--expose-gc", `--max-old-space-size=${HEAP_MEGABYTES}`],
    env: { ...process.env, VIPS_CONCURRENCY: "1", MALLOC_ARENA_MAX: "2" },
    stdio: ["ignore", "ignore", "pipe", "ipc", place.descriptor],
  });
}

/** Bytes of memory that a process holds; 0 for one that has ended. */
function residentBytes(pid: number): number {
  try {
    const found = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return Number(found?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

export class DecoderProcess<Ask extends object = Request, Reply extends object = Answer> {
  /** Whether no file was decoded in it yet. */
  fresh = true;
  readonly #place = new Place();
  readonly #child: ChildProcess;
  /** With the file that it was at. */
  readonly #ended: Promise<number | undefined>;
  #alive = true;
  #errors = "";

  /** `program` answers messages of the one type with messages of the other, and says which files it begins. */
  constructor(program = decoder) {
    this.#child = start(program, this.#place);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-ERROR_CHARACTERS);
    });
    this.#ended = this.#end().then(() => {
      const { file } = this.#place;
      this.#alive = false;
      this.#place.close();
      return file;
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The end of what the process wrote to its error output, in one line. */
  get errors(): string {
    return this.#errors.replace(/\s+/g, " ").trim();
  }

  get residentBytes(): number {
    return residentBytes(this.#child.pid ?? 0);
  }

  /** What the process answers, or why it ended. */
  async run(request: Ask, allowed: Allowance): Promise<Outcome<Reply>> {
    let cause: Cause = "crash";
    let file: number | undefined;
    let deadline = performance.now() + 1000 * (START_SECONDS + allowed.secondsPerFile);
    const end = (why: Cause) => {
      cause = why;
      this.#child.kill("SIGKILL");
    };
    const watch = setInterval(() => {
      if (!this.#alive) return;
      if (this.#place.file !== file) {
        file = this.#place.file;
        deadline = performance.now() + 1000 * allowed.secondsPerFile;
      }
      if (this.residentBytes > allowed.memoryBytes) end("memory");
      else if (performance.now() > deadline) end("time");
    }, WATCH_MS);
    let release = () => undefined as undefined;
    const answered = new Promise<Outcome<Reply>>((resolve) => {
      const onMessage = (answer: Reply) => resolve({ answer });
      this.#child.once("message", onMessage);
      release = () => void this.#child.off("message", onMessage);
    });
    const died = this.#ended.then(
      (at): Outcome<Reply> => ({ cause: this.#causeOf(cause), file: at }),
    );
    try {
      if (this.#alive) this.#place.reset();
      this.#child.send(request, () => undefined);
      return await Promise.race([answered, died]);
    } finally {
      clearInterval(watch);
      release();
      this.fresh = false;
    }
  }

  /** Ends the process: of its own accord, or else by force. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 1000 * END_SECONDS);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Settles when the process has ended and what it wrote has come. */
  async #end(): Promise<void> {
    const child = this.#child;
    const silent = child.stderr && once(child.stderr, "close");
    await new Promise<void>((resolve) => {
      child
        .on("exit", () => resolve())
        .on("error", (error) => {
          this.#errors += error.message;
          resolve();
        });
    });
    await Promise.race([silent, sleep(LAST_WORDS_MS)]);
    child.stderr?.destroy();
  }

  #causeOf(cause: Cause): Cause {
    const heap = /heap out of memory|std::bad_alloc/.test(this.#errors);
    return cause === "crash" && heap ? "memory" : cause;
  }
}
