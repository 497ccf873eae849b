/**
 * Runs in a process of its own: loads CUDA, starts the device with the number that it is given, and prints the devices
 * as JSON, or why there are none.
 */

import { type CudaTrial, openCuda, problemOf } from "./cuda.js";
import { findLibtorch } from "./libtorch.js";
import { loadBinding } from "./load.js";

function attempt(index: number): CudaTrial {
  try {
    const devices = openCuda(findLibtorch());
    if (index < devices.length) loadBinding().freeCudaMemory(index);
    return { devices };
  } catch (error) {
    return problemOf(error);
  }
}

process.stdout.write(JSON.stringify(attempt(Number(process.argv[2]))));
