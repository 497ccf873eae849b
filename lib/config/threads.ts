/**
 * The default number of threads: physical cores, since hyper-threads share one set of arithmetic units.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Distinct (package, core) pairs in the text of `/proc/cpuinfo`; 0 where it does not tell. */
export function countCores(cpuinfo: string): number {
  const cores = new Set<string>();
  for (const block of cpuinfo.split(/\n\s*\n/)) {
    const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
    const chip = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1] ?? "0";
    if (core !== undefined) cores.add(`${chip}:${core}`);
  }
  return cores.size;
}

/** Physical cores that this process may use, at least 1. */
export function physicalCores(): number {
  const allowed = availableParallelism();
  try {
    const cores = countCores(readFileSync("/proc/cpuinfo", "utf8"));
    return cores > 0 ? Math.min(cores, allowed) : allowed;
  } catch {
    return allowed;
  }
}
