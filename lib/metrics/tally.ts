/**
 * The figures of a stage's summary, gathered from its metric rows.
 *
 * Invariant: a pure function of the rows, so a resumed stage that reads its earlier rows again ends with the same summary.
 */
import type { BeforeAfter, MetricRow } from "./types.js";

const WINDOW = 10;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Mean of the first and the last tenth of a series of losses. */
class Ends {
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  #count = 0;

  add(loss: number): void {
    this.#count++;
    if (this.#first.length < WINDOW) this.#first.push(loss);
    this.#last.push(loss);
    if (this.#last.length > WINDOW) this.#last.shift();
  }

  get means(): BeforeAfter {
    const count = Math.min(WINDOW, Math.ceil(this.#count / 10));
    return { before: mean(this.#first.slice(0, count)), after: mean(this.#last.slice(-count)) };
  }
}

export class Tally {
  readonly #batchSize: () => number;
  readonly #plain = new Ends();
  #replay: Ends | undefined;
  #step = 0;
  #epoch = { number: 0, sum: 0, count: 0 };
  #validation: BeforeAfter | undefined;
  #validatedAt = -1;
  /** Sum over the steps of what one of their samples took. */
  #secondsPerSample = 0;
  /** Steps whose loss was not finite. */
  skipped = 0;

  /** `batchSize` is asked when samples or seconds are: a stream shows its own only while it is read. */
  constructor(batchSize: () => number) {
    this.#batchSize = batchSize;
  }

  add(row: MetricRow): void {
    if (row.kind === "validation") this.#addValidation(row);
    else this.#addStep(row);
  }

  #addValidation(row: MetricRow): void {
    this.#validatedAt = row.step;
    if (row.loss === null) return;
    this.#validation = { before: this.#validation?.before ?? row.loss, after: row.loss };
  }

  #addStep(row: MetricRow): void {
    const steps = row.step - this.#step;
    this.#step = row.step;
    if (row.samplesPerSecond > 0) this.#secondsPerSample += steps / row.samplesPerSecond;
    if (row.loss === null) {
      this.skipped++;
      return;
    }
    if (row.kind === "replay") {
      this.#replay ??= new Ends();
      this.#replay.add(row.loss);
      return;
    }
    this.#plain.add(row.loss);
    if (this.#epoch.number !== row.epoch) this.#epoch = { number: row.epoch, sum: 0, count: 0 };
    this.#epoch.sum += row.loss;
    this.#epoch.count++;
  }

  /** Whether there is a validation row of this step. */
  validatedAt(step: number): boolean {
    return this.#validatedAt === step;
  }

  /** Mean loss of the latest epoch's plain rows. */
  get epochLoss(): number {
    return this.#epoch.sum / this.#epoch.count;
  }

  /** Mean loss of the first and the last tenth of the plain rows, at most 10 each. */
  get trainingLoss(): BeforeAfter {
    return this.#plain.means;
  }

  /** The same of the replay rows; undefined where there is none. */
  get replayLoss(): BeforeAfter | undefined {
    return this.#replay?.means;
  }

  get validationLoss(): BeforeAfter | undefined {
    return this.#validation;
  }

  get samples(): number {
    return this.#step * this.#batchSize();
  }

  /** Seconds spent in steps, without validation and checkpoints. */
  get seconds(): number {
    return this.#secondsPerSample * this.#batchSize();
  }
}
