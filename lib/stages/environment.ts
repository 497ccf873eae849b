/**
 * What a run was made on, for `environment.json`; no host or user name.
 */
import { cpus, totalmem } from "node:os";
import type { PlainObject } from "../config/parse.js";
import type { Training } from "../config/resolve.js";
import { buildInfo, configureThreads } from "../trainer.js";
import { packageVersion } from "../version.js";

/** Sets the process's threads and describes it. */
export function prepareProcess(training: Training): PlainObject {
  configureThreads(training.threads);
  return {
    medcoss: packageVersion(),
    node: process.version,
    native: buildInfo(),
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? "unknown",
    memoryBytes: totalmem(),
    device: training.device,
    precision: training.precision,
    threads: training.threads,
    seed: training.seed,
  };
}
