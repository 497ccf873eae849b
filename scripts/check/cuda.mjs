/**
 * Checks that the kernel library loads with the GPU set of LibTorch, on a machine without a GPU too: every library that
 * it needs is found, every symbol is bound, and what comes next is the driver's answer.
 *
 * Fetches the GPU set's wheels, 2 GB beyond the CPU set's, into a folder of its own in the cache, and removes what it
 * unpacked there.
 */
import { execFileSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, installFolder } from "../../lib/native/libtorch/find.mjs";
import { installLibtorch } from "../../lib/native/libtorch/install.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const env = { ...process.env, MEDCOSS_CACHE: join(cacheFolder(), "gpu-set") };

/** Wheels of the CPU set are part of the GPU set. */
function shareWheels() {
  const [from, to] = [join(cacheFolder(), "wheels"), join(env.MEDCOSS_CACHE, "wheels")];
  mkdirSync(to, { recursive: true });
  for (const name of existsSync(from) ? readdirSync(from) : []) {
    if (name.endsWith(".whl") && !existsSync(join(to, name)))
      linkSync(join(from, name), join(to, name));
  }
}

/** @param {string} libtorch @returns {import("../../lib/native/cuda.js").CudaTrial} */
function load(libtorch) {
  const trial = [join(root, "dist/native/cuda-trial.js"), "0"];
  const options = { env: { ...process.env, MEDCOSS_LIBTORCH: libtorch } };
  return JSON.parse(execFileSync(process.execPath, trial, options).toString());
}

/** Whether the driver was reached. @param {ReturnType<typeof load>} answer */
const reached = (answer) =>
  "devices" in answer || (answer.code === "E_NO_CUDA" && /driver/.test(answer.problem));

try {
  shareWheels();
  const { path } = await installLibtorch({ cuda: true, env, log: () => {} });
  const answer = load(path);
  console.log(JSON.stringify(answer));
  process.exitCode = reached(answer) ? 0 : 1;
} finally {
  rmSync(installFolder("cuda", env), { recursive: true, force: true });
}
