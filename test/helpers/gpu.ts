/**
 * The CUDA device of the tests: a GPU, or host memory that plays one where MEDCOSS_SIMULATED_CUDA names the library of
 * test/fixtures/simulated-cuda.
 *
 * Invariant: CUDA comes into the process before anything trains on the CPU, as LibTorch wants it.
 */
import { prepareCuda } from "../../lib/native/cuda.js";
import { findBinaries } from "../../lib/native/folder.js";
import { loadBinding, preload } from "../../lib/native/load.js";
import type { NativeTrainer, NativeTrainerOptions } from "../../lib/native/types.js";
import { microOptions } from "./trainer.js";

export interface Gpu {
  /** Why there is none, for tap's `skip`. */
  skip?: string;
  simulated: boolean;
}

/** Loads CUDA; says why not. */
export async function openGpu(): Promise<Gpu> {
  const library = process.env.MEDCOSS_SIMULATED_CUDA;
  if (library) {
    loadBinding();
    preload(findBinaries(), [library]);
    loadBinding().openCuda(library);
    return { simulated: true };
  }
  try {
    await prepareCuda("cuda");
    return { simulated: false };
  } catch (error) {
    return { skip: (error as Error).message, simulated: false };
  }
}

type Closable = NativeTrainer & AsyncDisposable;

/** A trainer of the micro network on the device. */
export async function trainerOn(
  device: string,
  changes: Partial<NativeTrainerOptions> = {},
): Promise<Closable> {
  const { Trainer } = loadBinding();
  const trainer = new Trainer(microOptions({ device, ...changes })) as Closable;
  trainer[Symbol.asyncDispose] = () => trainer.close();
  await trainer.ready();
  return trainer;
}

/** The largest relative difference of two lists. */
export function deviation(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number)) / Math.abs(x)));
}
