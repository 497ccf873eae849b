/**
 * What a run was made on, for `environment.json`; no host or user name.
 */
import { cpus, totalmem } from "node:os";
import type { PlainObject } from "../config/parse.js";
import type { Training } from "../config/resolve.js";
import { buildInfo, configureThreads, Trainer } from "../trainer.js";
import { packageVersion } from "../version.js";

/** The smallest network there is, to try a device with. */
const probe = {
  ...{ encoderWidth: 16, encoderLayers: 1, encoderHeads: 1 },
  ...{ decoderWidth: 16, decoderLayers: 1, decoderHeads: 1 },
  ...{ vocabulary: 8, imageSize: 16, textLength: 8 },
  volumeSize: [16, 16, 16] as [number, number, number],
};

/** Refuses a device that is not there, before anything is written. Throws E_NO_CUDA. */
export async function checkDevice({ device }: Training): Promise<void> {
  if (device === "cpu") return;
  await using _trainer = await Trainer.create({ size: probe, device });
}

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
