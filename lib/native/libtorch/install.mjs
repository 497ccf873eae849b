/**
 * Installs the pinned LibTorch into the cache folder.
 *
 * Invariant: the folder has its final name only when complete; one left behind by a killed process is removed by the
 * next installation.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { exclusively } from "../../exclusive.mjs";
import { cacheFolder, examine, installFolder, isWritable } from "./find.mjs";
import { cpuWheels, cudaWheels, diskNeed, LIBTORCH_VERSION } from "./pins.mjs";
import { installFailure, Problem } from "./problem.mjs";
import { collect, takeStock, unpackWheel } from "./wheels.mjs";

/**
 * @typedef {import("./pins.mjs").Wheel} Wheel
 * @typedef {{ wheels: Wheel[], need: { download: number, unpacked: number } }} WheelSet
 * @typedef {object} InstallOptions
 * @property {boolean} [cuda] with the libraries that a GPU needs
 * @property {string[]} [files] wheels that are at hand, for machines without a network
 * @property {WheelSet} [set] what to install in place of the pinned wheels
 * @property {string} [architecture] of this machine
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [log]
 */

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

/**
 * Says what is to come, and refuses it where the disk is too small.
 * @param {string} cache @param {WheelSet["need"]} need @param {import("./wheels.mjs").Held[]} stock
 * @param {(line: string) => void} log
 */
async function checkDisk(cache, need, stock, log) {
  const sizeOf = (/** @type {typeof stock} */ held) =>
    held.reduce((sum, { bytes }) => sum + bytes, 0);
  const missing = stock.some(({ kept, given }) => (kept ?? given) === undefined);
  const download = missing ? Math.max(0, need.download - sizeOf(stock)) : 0;
  const given = sizeOf(stock.filter((held) => held.given !== undefined));
  const total = download + given + need.unpacked;
  const fetched = missing ? `${gigabytes(download)} to download` : "nothing to download";
  log(`LibTorch: ${fetched}, ${gigabytes(total)} of disk at ${cache}`);
  const { bavail, bsize } = await statfs(cache);
  if (bavail * bsize < total) {
    throw installFailure(
      `${cache} has ${gigabytes(bavail * bsize)} free and ${gigabytes(total)} are needed`,
    );
  }
}

/** Replaces a folder by the content of wheels, once that is there and fits. @param {string} folder @param {string[]} wheels */
async function unpackInto(folder, wheels) {
  const temporary = `${folder}.${process.pid}.tmp`;
  try {
    for (const wheel of wheels) await unpackWheel(wheel, temporary);
    const { tried } = examine("cache", join(temporary, "torch"));
    if (tried !== undefined) throw installFailure(`the new installation ${tried.problem}`);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** @param {Required<InstallOptions>} options */
async function installInto(options) {
  const kind = options.cuda ? "cuda" : "cpu";
  const cache = cacheFolder(options.env);
  const final = installFolder(kind, options.env);
  const present = examine("cache", join(final, "torch"));
  if (present.found) return present.found;
  const { set, files, env, log } = options;
  const stock = await takeStock(set.wheels, files, env);
  await checkDisk(cache, set.need, stock, log);
  const paths = await collect(stock, env, log);
  for (const name of await readdir(cache)) {
    if (/^libtorch-.*\.tmp$/.test(name)) await rm(join(cache, name), { recursive: true });
  }
  log("unpacking");
  await unpackInto(final, paths);
  if (options.cuda) await rm(installFolder("cpu", env), { recursive: true, force: true });
  const { found } = examine("cache", join(final, "torch"));
  return /** @type {import("./find.mjs").Libtorch} */ (found);
}

/**
 * Installs the CPU or the GPU set, and returns where it is. Nothing is done where it is there already.
 * @param {InstallOptions} [options]
 * @returns {Promise<import("./find.mjs").Libtorch>}
 */
export async function installLibtorch({
  cuda = false,
  set = cuda
    ? { wheels: cudaWheels, need: diskNeed.cuda }
    : { wheels: cpuWheels, need: diskNeed.cpu },
  files = [],
  architecture = process.arch,
  env = process.env,
  log = () => {},
} = {}) {
  if (architecture !== "x64") {
    const other = `install torch ${LIBTORCH_VERSION} for python3, or name one in MEDCOSS_LIBTORCH`;
    throw installFailure(`the pinned wheels are for x64, this is ${architecture}; ${other}`);
  }
  const cache = cacheFolder(env);
  try {
    await mkdir(cache, { recursive: true });
    const options = { cuda, set, files, architecture, env, log };
    const wait = () => log("waiting for another process that installs LibTorch");
    return await exclusively(cache, () => installInto(options), wait);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== "ENOSPC" && !isWritable(cache)) {
      throw installFailure(`${cache} cannot be written to; name another folder in MEDCOSS_CACHE`);
    }
    throw installFailure(message ?? String(error));
  }
}

/** Removes every LibTorch of ours, its wheels and tools from the cache; returns what was removed. @param {NodeJS.ProcessEnv} [env] */
export async function removeLibtorch(env = process.env) {
  const cache = cacheFolder(env);
  if (!existsSync(cache)) return [];
  return exclusively(cache, async () => {
    const removed = [];
    for (const name of await readdir(cache)) {
      if (!/^libtorch-|^(wheels|tmp|tools)$/.test(name)) continue;
      await rm(join(cache, name), { recursive: true });
      removed.push(join(cache, name));
    }
    return removed;
  });
}
