/**
 * Threads that make the batches of a store in memory shared with this one.
 *
 * Invariant: a buffer belongs to one batch from its request until `recycle`; memory is bounded by the batches that are
 * asked for and not recycled. Threads hold the process only while a batch is under way.
 */
import { Worker } from "node:worker_threads";
import type { Batch } from "../../batch.js";
import { type ErrorCode, MedcossError } from "../../errors.js";
import type { Dataset } from "../dataset.js";
import type { Answer, OpenedIndex, Plan, Request, StoreRecords } from "./protocol.js";

interface Job {
  request: Request;
  resolve(batch: Batch): void;
  reject(error: unknown): void;
}

/** A new thread. In development the sources run as they are, and it has to learn TypeScript first. */
function startWorker(workerData: OpenedIndex): Worker {
  const compiled = new URL("./thread.js", import.meta.url);
  if (import.meta.url.endsWith(".js")) return new Worker(compiled, { workerData });
  const source = new URL("./thread.ts", import.meta.url);
  const code = `import("tsx/esm/api").then(({ register }) => (register(), import("${source.href}")))`;
  return new Worker(code, { eval: true, workerData });
}

const keepers = new WeakMap<Batch, () => void>();

/** Gives the memory of a batch that is no longer used back to its loader; any other batch is left alone. */
export function recycle(batch: Batch): void {
  keepers.get(batch)?.();
  keepers.delete(batch);
}

function errorOf(answer: Exclude<Answer, { batch: Batch }>): MedcossError {
  if ("code" in answer) return new MedcossError(answer.code as ErrorCode, answer.values);
  return new MedcossError("E_INTERNAL", { problem: answer.message });
}

/** One worker thread with at most one job under way. */
class Thread {
  readonly #worker: Worker;
  readonly #known = new Set<number>();
  readonly #ended: Promise<void>;
  #job: Job | undefined;
  #closing = false;

  constructor(opened: OpenedIndex, idle: (thread: Thread) => void, lost: (thread: Thread) => void) {
    this.#worker = startWorker(opened);
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => {
      const job = this.#settle();
      if ("batch" in answer) job?.resolve(answer.batch);
      else job?.reject(errorOf(answer));
      idle(this);
    });
    const fail = (problem: string) =>
      this.#settle()?.reject(new MedcossError("E_INTERNAL", { problem }));
    this.#worker.on("error", (error) => fail(`a thread that reads data failed: ${error.message}`));
    this.#ended = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        fail("a thread that reads data ended");
        lost(this);
        resolve();
      });
    });
  }

  get busy(): boolean {
    return this.#job !== undefined;
  }

  /** Sends a job; the plan goes along only where this thread does not have it. */
  run(job: Job): void {
    this.#job = job;
    this.#worker.ref();
    const { described, ...request } = job.request;
    const known = this.#known.has(request.plan);
    this.#known.add(request.plan);
    this.#worker.postMessage(known ? request : { ...request, described });
  }

  async close(): Promise<void> {
    this.#settle()?.reject(new MedcossError("E_CLOSED", { what: "store" }));
    this.#closing = true;
    this.#worker.ref();
    this.#worker.postMessage("close");
    await this.#ended;
  }

  #settle(): Job | undefined {
    const job = this.#job;
    this.#job = undefined;
    if (!this.#closing) this.#worker.unref();
    return job;
  }
}

export class Loader {
  readonly #opened: OpenedIndex;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  readonly #plans = new Map<Plan, number>();
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  #wanted = 0;
  #closed = false;

  constructor(opened: OpenedIndex) {
    this.#opened = opened;
  }

  /** Shared buffers that wait for a batch. */
  get freeBuffers(): number {
    return [...this.#free.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /** Starts threads ahead of their first batch, so that it need not wait for that. */
  prepare(workers: number): void {
    this.#wanted = Math.max(this.#wanted, workers);
    while (this.#start());
  }

  /** The batch of a plan, made by one of `workers` threads in `bytes` of shared memory. */
  async batch(plan: Plan, key: { step: number; ordinal: number }, place: Place): Promise<Batch> {
    if (this.#closed) throw new MedcossError("E_CLOSED", { what: "store" });
    this.#wanted = Math.max(this.#wanted, place.workers);
    const memory = this.#take(place.bytes);
    const number = this.#plans.get(plan) ?? this.#plans.size;
    this.#plans.set(plan, number);
    const giveBack = () => void this.#free.get(place.bytes)?.push(memory);
    const made = new Promise<Batch>((resolve, reject) => {
      const request = { plan: number, described: plan, ...key, memory };
      this.#waiting.push({ request, resolve, reject });
    });
    this.#dispatch();
    try {
      const batch = await made;
      keepers.set(batch, giveBack);
      return batch;
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** Rejects what is under way and ends all threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) {
      job.reject(new MedcossError("E_CLOSED", { what: "store" }));
    }
    await Promise.all([...this.#threads].map((thread) => thread.close()));
    this.#free.clear();
  }

  #take(bytes: number): SharedArrayBuffer {
    const free = this.#free.get(bytes) ?? [];
    this.#free.set(bytes, free);
    return free.pop() ?? new SharedArrayBuffer(bytes);
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = [...this.#threads].find(({ busy }) => !busy) ?? this.#start();
      if (!thread) return;
      thread.run(this.#waiting.shift() as Job);
    }
  }

  /** One more thread, unless there are as many as are wanted. */
  #start(): Thread | undefined {
    if (this.#closed || this.#threads.size >= this.#wanted) return;
    const lost = (thread: Thread) => {
      this.#threads.delete(thread);
      this.#dispatch();
    };
    const thread = new Thread(this.#opened, () => this.#dispatch(), lost);
    this.#threads.add(thread);
    return thread;
  }
}

/** Where a batch is made. */
export interface Place {
  workers: number;
  bytes: number;
}

/** Where the records of a data set lie, and the threads that read them. */
export interface Origin {
  records: StoreRecords;
  loader: Loader;
}

const origins = new WeakMap<Dataset, Origin>();

/** Lets threads make the batches of this data set; of one made from it they do not. */
export function readableByThreads(dataset: Dataset, origin: Origin): Dataset {
  origins.set(dataset, origin);
  return dataset;
}

export function originOf(dataset: Dataset): Origin | undefined {
  return origins.get(dataset);
}
