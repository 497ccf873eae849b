/**
 * Whether this build's CUDA kernels are there, and whether a GPU starts with them, in a process of its own.
 */
import { formatBytes } from "../format.js";
import { type CudaOptions, findKernels, KERNELS, tryCuda } from "../native/cuda.js";
import type { Libtorch } from "../native/libtorch.js";
import type { CudaDevice } from "../native/types.js";
import type { Check } from "./types.js";

const describe = ({ name, capability, memoryBytes }: CudaDevice) =>
  `${name}, compute capability ${capability}, ${formatBytes(memoryBytes)}`;

/** Kernels, and the devices that start where the machine has a GPU (`gpu`) and LibTorch its libraries. */
export async function checkCuda(
  libtorch: Libtorch | undefined,
  gpu: boolean,
  options: CudaOptions = {},
): Promise<Check[]> {
  const kernels = { name: "CUDA kernels", found: KERNELS };
  if (findKernels(options.folder) === undefined) {
    return [{ ...kernels, state: "note", found: "not in this build; training runs on the CPU" }];
  }
  const found: Check[] = [{ ...kernels, state: "ok" }];
  if (!gpu || !libtorch?.cuda) return found;
  const trial = await tryCuda(0, options);
  if ("devices" in trial) {
    return [...found, { name: "CUDA", state: "ok", found: trial.devices.map(describe).join("; ") }];
  }
  const remedy = "See docs/troubleshooting.md, or use --device cpu.";
  return [...found, { name: "CUDA", state: "problem", found: trial.problem, remedy }];
}
