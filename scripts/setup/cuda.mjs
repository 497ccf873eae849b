/**
 * The compiler of CUDA kernels, as wheels in the cache folder; fetched only when it is asked for.
 *
 * Invariant: a checkout without it builds the addon alone. What is found here is used, so that one set-up with `--cuda`
 * is enough.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../lib/native/libtorch/find.mjs";
import { cpuWheels } from "../../lib/native/libtorch/pins.mjs";
import { fetchPackages, preparePip } from "../../lib/native/libtorch/pip.mjs";
import { missing, say } from "./report.mjs";

const RELEASE = "13.0.88";

/** nvcc, the parts that it calls, and the headers that kernels include. */
const wheels = [
  {
    name: "nvidia-cuda-nvcc",
    version: RELEASE,
    sha256: "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
  },
  {
    name: "nvidia-nvvm",
    version: RELEASE,
    sha256: "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0",
  },
  {
    name: "nvidia-cuda-crt",
    version: RELEASE,
    sha256: "2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4",
  },
  {
    name: "nvidia-cuda-cccl",
    version: "13.0.85",
    sha256: "e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649",
  },
  ...cpuWheels.filter(({ name }) => name === "nvidia-cuda-runtime"),
];

/** @param {NodeJS.ProcessEnv} env */
const toolkitFolder = (env) => join(cacheFolder(env), "tools", `nvcc-${RELEASE}`);

/** The nvcc to build with: MEDCOSS_NVCC, else the one in the cache folder. @param {NodeJS.ProcessEnv} [env] */
export function findNvcc(env = process.env) {
  if (env.MEDCOSS_NVCC) {
    if (existsSync(env.MEDCOSS_NVCC)) return env.MEDCOSS_NVCC;
    throw missing(`MEDCOSS_NVCC=${env.MEDCOSS_NVCC}`, "Correct it, or unset it.");
  }
  const nvcc = join(toolkitFolder(env), "nvidia/cu13/bin/nvcc");
  return existsSync(nvcc) ? nvcc : undefined;
}

/** Brings nvcc into the cache folder. @param {NodeJS.ProcessEnv} [env] */
export async function fetchNvcc(env = process.env) {
  say(`Fetching nvcc ${RELEASE} (102 MB) ...`);
  const problem = await fetchPackages(await preparePip(env, say), wheels, toolkitFolder(env));
  if (problem === undefined) return;
  const help = "Name one of CUDA 13.0 in MEDCOSS_NVCC, or set up without --cuda.";
  throw missing("nvcc", `It could not be fetched (${problem}). ${help}`);
}
