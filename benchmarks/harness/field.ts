/**
 * The contenders of a variant that take part: started, compared, refused.
 *
 * Invariant: whoever breaks or computes something else than the baseline is refused and stopped, and the others go on.
 */
import type { Progress } from "./progress.js";
import type { Contender, Outcome, Refusal, Variant } from "./variant.js";
import { type Ready, Worker } from "./worker.js";

/** What a worker tells of its steps. */
export interface Steps {
  seconds: number[];
  note?: string;
  peakDeviceBytes?: number;
}

export interface Running {
  contender: Contender;
  worker: Worker;
  ready: Ready;
  seconds: number[];
  slow: boolean;
  /** What the last step told. */
  last: Omit<Steps, "seconds">;
}

function difference(a = Number.NaN, b = Number.NaN): number {
  return a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
}

/** The contenders of a variant that still take part. */
export class Field {
  readonly variant: Variant;
  readonly refused: Refusal[] = [];
  readonly #progress: Progress;
  all: Running[] = [];

  constructor(variant: Variant, progress: Progress) {
    this.variant = variant;
    this.#progress = progress;
  }

  async refuse(contender: Contender, reason: string): Promise<void> {
    this.#progress.tell(contender.name, "refused");
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
      await this.#progress.timed(contender.name, async () => {
        const [worker, ready] = await Worker.start(contender.command, contender.configuration);
        this.all.push({ contender, worker, ready, seconds: [], slow: false, last: {} });
      });
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
    const ask = async (one: Running) => {
      const outcome = (await one.worker.ask({ command: "check" })) as Outcome;
      if (one.contender.check !== "own") outcomes.set(one, outcome);
    };
    await this.together(asked, (one) => this.#progress.timed(one.contender.name, () => ask(one)));
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
