/**
 * Reading `metrics.jsonl`, and cutting it back to a checkpoint.
 *
 * Invariant: a line that a crash tore is never taken for a row.
 */
import { readFile } from "node:fs/promises";
import type { MetricRow } from "./types.js";

function parseRow(line: string): MetricRow | undefined {
  try {
    const row = JSON.parse(line);
    return typeof row?.stage === "number" && typeof row.step === "number" ? row : undefined;
  } catch {
    return undefined;
  }
}

/** All complete rows of a file; none where there is no file. */
export async function readRows(path: string): Promise<MetricRow[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => parseRow(line) ?? []);
}

/** The rows up to step `step` of stage `stage`. */
export function rowsUpTo(rows: readonly MetricRow[], stage: number, step: number): MetricRow[] {
  return rows.filter((row) => row.stage < stage || (row.stage === stage && row.step <= step));
}
