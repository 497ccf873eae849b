/**
 * Writes metric rows to `metrics.jsonl` and, as a view of it, to a TensorBoard event file.
 *
 * Invariant: the event file holds the rows of `metrics.jsonl` and nothing else; opening with earlier rows rewrites both.
 */
import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, writing } from "../files.js";
import { eventHeader, scalarEvent } from "./events.js";
import type { MetricRow } from "./types.js";

export const METRICS_FILE = "metrics.jsonl";
const EVENTS_PREFIX = "events.out.tfevents.";

function scalarsOf(row: MetricRow): Record<string, number> {
  const scalars: Record<string, number> = {};
  const put = (name: string, value: number | null) => {
    if (value !== null) scalars[`${row.modality}/${name}`] = value;
  };
  put(row.kind === "validation" ? "validation loss" : `${row.kind} loss`, row.loss);
  if (row.kind === "validation") return scalars;
  put("learning rate", row.lr);
  put("samples per second", row.samplesPerSecond);
  put("gradient norm", row.gradientNorm);
  put("milliseconds waited", row.waitMs);
  return scalars;
}

function eventOf(row: MetricRow): Buffer {
  return scalarEvent(Date.parse(row.time) / 1000, row.step, scalarsOf(row));
}

function lineOf(row: MetricRow): string {
  return `${JSON.stringify(row)}\n`;
}

async function removeEvents(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(EVENTS_PREFIX)) await rm(join(folder, name));
  }
}

/** The two open files of a run's metrics. */
export class Recorder implements AsyncDisposable {
  readonly #folder: string;
  readonly #rows: FileHandle;
  readonly #events: FileHandle;

  private constructor(folder: string, rows: FileHandle, events: FileHandle) {
    this.#folder = folder;
    this.#rows = rows;
    this.#events = events;
  }

  /** Opens both files in `folder` with the rows that are to be kept. */
  static async open(folder: string, kept: readonly MetricRow[]): Promise<Recorder> {
    return writing(folder, async () => {
      await replaceFile(join(folder, METRICS_FILE), kept.map(lineOf).join(""));
      await removeEvents(folder);
      const seconds = Math.floor(Date.now() / 1000);
      const events = Buffer.concat([eventHeader(seconds), ...kept.map(eventOf)]);
      const path = join(folder, `${EVENTS_PREFIX}${seconds}.medcoss`);
      await replaceFile(path, events);
      return new Recorder(
        folder,
        await open(join(folder, METRICS_FILE), "a"),
        await open(path, "a"),
      );
    });
  }

  async write(row: MetricRow): Promise<void> {
    await writing(join(this.#folder, METRICS_FILE), async () => {
      await this.#rows.appendFile(lineOf(row));
      await this.#events.appendFile(eventOf(row));
    });
  }

  /** Makes sure that what was written survives a crash of the machine. */
  async flush(): Promise<void> {
    await writing(join(this.#folder, METRICS_FILE), () => this.#rows.datasync());
  }

  async close(): Promise<void> {
    await this.#rows.close();
    await this.#events.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
