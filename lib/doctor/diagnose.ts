/**
 * Everything the doctor looks at, in the order in which it has to be right.
 */
import { checkCuda } from "./cuda.js";
import { checkGpu } from "./gpu.js";
import { checkAddon, checkLibtorch } from "./native.js";
import {
  checkCache,
  checkHere,
  checkMemory,
  checkNode,
  checkPlatform,
  checkProcessor,
  checkSharedMemory,
  checkThreads,
} from "./system.js";
import type { Diagnosis } from "./types.js";

/** Examines this machine and installation; changes nothing. */
export async function diagnose(env: NodeJS.ProcessEnv = process.env): Promise<Diagnosis> {
  const { libtorch, check } = checkLibtorch(env);
  const gpu = await checkGpu(libtorch, env);
  const hasGpu = gpu.some(({ name, state }) => name === "GPU" && state === "ok");
  const checks = [
    checkNode(),
    checkPlatform(),
    check,
    await checkAddon(env),
    ...gpu,
    ...(await checkCuda(libtorch, hasGpu, { env })),
    checkProcessor(),
    checkThreads(env),
    checkMemory(),
    await checkSharedMemory(),
    await checkCache(libtorch !== undefined, env),
    await checkHere(),
  ];
  return { healthy: checks.every(({ state }) => state !== "problem"), checks };
}
