/**
 * Brings CUDA into the process, when a CUDA device is asked for and not before.
 *
 * Invariant: a process of its own has started the device first, so a broken driver is an error and no crash; every
 * refusal says which of driver, LibTorch, kernel library and device it is.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MedcossError } from "../errors.js";
import { findBinaries } from "./folder.js";
import { findLibtorch, type Libtorch } from "./libtorch.js";
import { loadBinding, preload } from "./load.js";
import type { CudaDevice } from "./types.js";

export const KERNELS = "libmedcoss_cuda.so";
/** Of LibTorch, in the order in which they need each other. */
const LIBRARIES = ["libc10_cuda.so", "libtorch_cuda.so"];
/** Compute capability of the oldest GPU that kernels are compiled for. */
const OLDEST_CAPABILITY = 8;
/** Gigabytes of libraries may come over a network the first time. */
const TRIAL_MILLISECONDS = 180_000;

const run = promisify(execFile);

/** Why CUDA cannot be used. */
export interface CudaProblem {
  code?: string;
  problem: string;
}

/** What a trial process prints. */
export type CudaTrial = { devices: CudaDevice[] } | CudaProblem;

export interface CudaOptions {
  env?: NodeJS.ProcessEnv;
  /** The folder of the binaries. */
  folder?: string;
  /** The program of the trial process, and the time that it has. */
  trial?: string;
  milliseconds?: number;
}

/** The kernel library beside the addon; undefined where this build has none, or nothing is built. */
export function findKernels(folder?: string): string | undefined {
  try {
    const file = join(folder ?? findBinaries(), KERNELS);
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** What the addon or the dynamic linker says. */
export function problemOf(error: unknown): CudaProblem {
  const { code, values, message } = error as Error & {
    code?: string;
    values?: Record<string, string>;
  };
  return { ...(code && { code }), problem: values?.problem ?? message };
}

const refusal = (device: string, problem: string) =>
  new MedcossError("E_NO_CUDA", { device, problem });

/** The number of a CUDA device, 0 by default. Throws E_ARGUMENT for other names. */
export function deviceIndex(device: string): number {
  const match = /^cuda(?::(\d{1,2}))?$/.exec(device);
  if (match) return Number(match[1] ?? 0);
  const values = { argument: "device", expected: "cpu, cuda or cuda:N", received: device };
  throw new MedcossError("E_ARGUMENT", values);
}

/** Whether the kernel has NVIDIA's driver, or Windows' one below it (WSL 2). */
const hasDriver = () => existsSync("/proc/driver/nvidia/version") || existsSync("/dev/dxg");

function requireLibraries(device: string, libtorch: Libtorch, folder: string): void {
  if (!existsSync(join(folder, KERNELS))) {
    throw refusal(device, `this build has no CUDA kernels (${join(folder, KERNELS)} is missing)`);
  }
  if (!libtorch.cuda) {
    const driver = hasDriver() ? "" : "no NVIDIA driver is loaded, and ";
    const help = "npx medcoss libtorch install --cuda";
    const libraries = `LibTorch at ${libtorch.path} has no GPU libraries (${help} brings them)`;
    throw refusal(device, driver + libraries);
  }
}

/**
 * Loads LibTorch for CUDA and the kernels into this process and returns the devices. What fails is thrown as the addon
 * or the dynamic linker says it; use `prepareCuda`, which asks another process first.
 */
export function openCuda(libtorch: Libtorch, folder = findBinaries()): CudaDevice[] {
  const binding = loadBinding();
  const kernels = join(folder, KERNELS);
  preload(findBinaries(), [...LIBRARIES.map((name) => join(libtorch.path, "lib", name)), kernels]);
  return binding.openCuda(kernels);
}

const trialProgram = () => fileURLToPath(new URL("./cuda-trial.js", import.meta.url));

/** Loads CUDA and starts a device, elsewhere. */
export async function tryCuda(index: number, options: CudaOptions = {}): Promise<CudaTrial> {
  const { env = process.env, trial = trialProgram(), milliseconds = TRIAL_MILLISECONDS } = options;
  const args = [...process.execArgv, trial, String(index)];
  try {
    const limits = { timeout: milliseconds, killSignal: "SIGKILL" } as const;
    const { stdout } = await run(process.execPath, args, { env, ...limits });
    return JSON.parse(stdout) as CudaTrial;
  } catch (error) {
    const { signal, code, killed } = error as { signal?: string; code?: unknown; killed?: boolean };
    if (killed) return { problem: `starting it took over ${milliseconds / 1000} s` };
    return { problem: `starting it ended the trial process (${signal ?? `code ${code}`})` };
  }
}

function requireDevice(device: string, devices: readonly CudaDevice[]): void {
  const found = devices[deviceIndex(device)];
  if (found === undefined) {
    throw refusal(device, `there is no such device; there are ${devices.length}`);
  }
  if (Number.parseFloat(found.capability) < OLDEST_CAPABILITY) {
    const least = `${OLDEST_CAPABILITY}.0 is the least`;
    throw refusal(device, `${found.name} has compute capability ${found.capability}; ${least}`);
  }
}

function failure(device: string, { code, problem }: CudaProblem): MedcossError {
  if (code === "E_OUT_OF_MEMORY") return new MedcossError(code, { device, problem });
  return refusal(device, problem);
}

/** Names of devices that this thread has prepared. */
const prepared = new Set<string>();

/**
 * Makes a CUDA device usable in this process; `cpu` needs nothing.
 *
 * @throws MedcossError E_NO_CUDA, E_OUT_OF_MEMORY where the device has no room to start, E_ARGUMENT
 */
export async function prepareCuda(device: string, options: CudaOptions = {}): Promise<void> {
  if (device === "cpu" || prepared.has(device)) return;
  const index = deviceIndex(device);
  const { env = process.env, folder = findBinaries() } = options;
  const libtorch = findLibtorch(env);
  requireLibraries(device, libtorch, folder);
  const trial = await tryCuda(index, options);
  if (!("devices" in trial)) throw failure(device, trial);
  requireDevice(device, trial.devices);
  try {
    openCuda(libtorch, folder);
  } catch (error) {
    throw failure(device, problemOf(error));
  }
  prepared.add(device);
}
