/**
 * What a run of `pack` counts and tells: progress, rejected files, and the result.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ErrorCode } from "../../errors.js";
import { replaceFile } from "../../files.js";
import { counted } from "../../format.js";

/** The store's list of files that could not be packed. */
export const REJECTED_FILE = "rejected.jsonl";

/** One line of `rejected.jsonl`. */
export interface Rejected {
  /** Name of the file in the store. */
  path: string;
  code: ErrorCode;
  reason: string;
}

export interface PackProgress {
  modality: string;
  /** Files looked at, and all there are. */
  done: number;
  files: number;
  /** New records. */
  records: number;
  rejected: number;
  recordsPerSecond: number;
}

export interface PackedModality {
  modality: string;
  files: number;
  /** Files that the store had already. */
  unchanged: number;
  rejected: number;
  /** Files and rows left out on purpose, by reason. */
  skipped: Record<string, number>;
  /** Records added by this run. */
  added: number;
  /** Records for training and for validation, this run's and older ones. */
  train: number;
  validation: number;
  seconds: number;
  recordsPerSecond: number;
}

export interface PackResult {
  out: string;
  modalities: PackedModality[];
  /** Number of rejected files by code. */
  rejected: Record<string, number>;
  warnings: string[];
}

export interface PackHooks {
  /** Stops after the running files; what is complete stays in the store and E_INTERRUPTED is thrown. */
  signal?: AbortSignal;
  onProgress?(progress: PackProgress): void;
}

/** The counts of one modality. */
export class Tally {
  done = 0;
  unchanged = 0;
  /** Files that say there is text in their pixels. */
  annotated = 0;
  readonly rejected: Rejected[] = [];
  readonly skipped = new Map<string, number>();
  readonly #started = performance.now();
  #stopped?: number;

  /** Time until `stop`, or until now. */
  get seconds(): number {
    return ((this.#stopped ?? performance.now()) - this.#started) / 1000;
  }

  stop(): void {
    this.#stopped = performance.now();
  }

  /** The parts of one table count as one file. */
  reject(file: Rejected): void {
    if (this.rejected.at(-1)?.path !== file.path) this.rejected.push(file);
  }

  skip(reason: string, count = 1): void {
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + count);
  }
}

/** Number of rejected files by code. */
export function byCode(rejected: readonly Rejected[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of rejected) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** `1 file rejected (CODE: reason)`, or how many and how many by code. */
export function whyRejected(rejected: readonly Rejected[]): string {
  const [first] = rejected;
  const codes = Object.entries(byCode(rejected)).map(([code, count]) => `${count} ${code}`);
  const why = first && rejected.length === 1 ? `${first.code}: ${first.reason}` : codes.join(", ");
  return `${counted(rejected.length, "file")} rejected (${why})`;
}

interface Line extends Rejected {
  modality: string;
}

async function readLines(path: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Line]));
}

/** Replaces the lines about files that this run looked at; those about others stay. */
export async function writeRejected(
  store: string,
  modality: string,
  visited: ReadonlySet<string>,
  rejected: readonly Rejected[],
): Promise<void> {
  const path = join(store, REJECTED_FILE);
  const kept = (await readLines(path)).filter(
    (line) => line.modality !== modality || !visited.has(line.path),
  );
  const lines = [...kept, ...rejected.map((file) => ({ modality, ...file }))];
  await replaceFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
