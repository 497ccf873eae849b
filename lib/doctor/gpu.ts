/**
 * What GPU and driver this machine has, read from files and `nvidia-smi`; CUDA is never loaded into the process.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Libtorch } from "../native/libtorch.js";
import type { Check } from "./types.js";

/** CUDA 13 needs a driver of this series. */
const OLDEST_DRIVER = 580;
const DRIVER_FILE = "/proc/driver/nvidia/version";

export interface Gpu {
  name: string;
  driver: string;
}

const run = promisify(execFile);

/** GPUs as `nvidia-smi` lists them; empty where it is missing or fails. */
async function listGpus(env: NodeJS.ProcessEnv): Promise<Gpu[]> {
  const args = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
  try {
    const { stdout } = await run("nvidia-smi", args, { env, timeout: 15_000 });
    return stdout
      .split("\n")
      .map((line) => line.split(",").map((part) => part.trim()))
      .filter((parts) => parts.length === 2)
      .map(([name, driver]) => ({ name: name as string, driver: driver as string }));
  } catch {
    return [];
  }
}

/** The version of the loaded kernel driver; undefined where there is none. */
export async function readDriver(file = DRIVER_FILE): Promise<string | undefined> {
  try {
    return /(\d+\.\d+(?:\.\d+)?)/.exec(await readFile(file, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

/** GPU, driver and whether the LibTorch that was found can use them. */
export async function checkGpu(
  libtorch: Libtorch | undefined,
  env: NodeJS.ProcessEnv = process.env,
  driverFile = DRIVER_FILE,
): Promise<Check[]> {
  const gpus = await listGpus(env);
  const driver = gpus[0]?.driver ?? (await readDriver(driverFile));
  if (driver === undefined) {
    return [{ name: "GPU", state: "note", found: "no NVIDIA driver; training runs on the CPU" }];
  }
  const checks: Check[] = [driverCheck(driver)];
  if (gpus.length === 0) {
    const remedy = "Install nvidia-smi, or give this container access to the GPU.";
    return [...checks, { name: "GPU", state: "problem", found: "driver without a GPU", remedy }];
  }
  checks.push({ name: "GPU", state: "ok", found: gpus.map((gpu) => gpu.name).join(", ") });
  if (libtorch && !libtorch.cuda) {
    const found = "LibTorch has no GPU libraries; for the GPU: npx medcoss libtorch install --cuda";
    checks.push({ name: "CUDA libraries", state: "note", found });
  }
  return checks;
}

function driverCheck(driver: string): Check {
  const name = "GPU driver";
  if (Number.parseInt(driver, 10) >= OLDEST_DRIVER) return { name, state: "ok", found: driver };
  const remedy = `CUDA 13 needs driver ${OLDEST_DRIVER} or newer; update it, or use --device cpu.`;
  return { name, state: "problem", found: driver, remedy };
}
