/**
 * What is under way in a variant: a line for each phase, which grows as contenders get done.
 *
 * Invariant: a phase ends its line, whatever happens in it.
 */
export type Write = (text: string) => void;

function text(seconds: number): string {
  if (seconds < 0.01) return `${(1000 * seconds).toFixed(1)} ms`;
  if (seconds < 1) return `${(1000 * seconds).toFixed(0)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : seconds < 100 ? 1 : 0)} s`;
}

export class Progress {
  readonly #write: Write;
  #told = 0;

  constructor(write: Write) {
    this.#write = write;
  }

  async phase(label: string, work: () => Promise<unknown>): Promise<void> {
    this.#told = 0;
    this.#write(`  ${label}:`);
    try {
      await work();
    } finally {
      this.#write(this.#told > 0 ? "\n" : " none\n");
    }
  }

  /** A contender, and how long its part took or what became of it. */
  tell(contender: string, what: number | string): void {
    const comma = this.#told++ > 0 ? "," : "";
    this.#write(`${comma} ${contender} ${typeof what === "number" ? text(what) : what}`);
  }

  /** Does a contender's part and tells how long it took. */
  async timed(contender: string, work: () => Promise<unknown>): Promise<void> {
    const start = performance.now();
    await work();
    this.tell(contender, (performance.now() - start) / 1000);
  }
}
