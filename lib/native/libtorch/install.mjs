/**
 * Installs the pinned LibTorch into the cache folder with the machine's pip.
 *
 * Invariant: the folder has its final name only when complete. A wheel that is in the cache with the right digest is
 * never fetched again; a folder left behind by a killed process is removed by the next installation.
 */
import { createHash } from "node:crypto";
import { accessSync, constants, createReadStream, existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { cacheFolder, examine, installFolder } from "./find.mjs";
import { exclusively } from "./lock.mjs";
import { cpuWheels, cudaWheels, diskNeed, WHEEL_GLIBC_MINOR, WHEEL_PYTHON } from "./pins.mjs";
import { preparePip, requirement, runPip } from "./pip.mjs";
import { Problem } from "./problem.mjs";

/**
 * @typedef {import("./pins.mjs").Wheel} Wheel
 * @typedef {{ wheels: Wheel[], need: { download: number, unpacked: number } }} WheelSet
 * @typedef {object} InstallOptions
 * @property {boolean} [cuda] with the libraries that a GPU needs
 * @property {string[]} [files] wheels that are at hand, for machines without a network
 * @property {WheelSet} [set] what to install in place of the pinned wheels
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [log]
 */

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

/** @param {string} file */
async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** @param {string} folder */
function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} problem */
const failed = (problem) => new Problem("E_LIBTORCH_INSTALL", { problem });

/** The tags of wheels that run on the oldest system that medcoss supports. */
function platformArguments() {
  const minors = Array.from({ length: WHEEL_GLIBC_MINOR - 4 }, (_, i) => WHEEL_GLIBC_MINOR - i);
  const tags = minors.map((minor) => `manylinux_2_${minor}_x86_64`);
  const all = [...tags, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"];
  const python = ["--implementation", "cp", "--python-version", WHEEL_PYTHON];
  return [...all.flatMap((tag) => ["--platform", tag]), ...python, "--only-binary=:all:"];
}

/** The wheel's file in a folder, by the name that pip gives it. @param {string} folder @param {Wheel} wheel */
async function wheelFile(folder, wheel) {
  const stem = `${wheel.name.replaceAll("-", "_")}-${wheel.version}-`;
  const name = (await readdir(folder)).find(
    (file) => file.startsWith(stem) && file.endsWith(".whl"),
  );
  return name === undefined ? undefined : join(folder, name);
}

/** Fetches one wheel into `folder`. @param {import("./pip.mjs").Pip} pip @param {Wheel} wheel @param {string} folder */
async function download(pip, wheel, folder) {
  const part = join(folder, `.part-${process.pid}`);
  await mkdir(part, { recursive: true });
  try {
    const list = join(part, "requirements.txt");
    await writeFile(list, `${requirement(wheel)}\n`);
    const resume = pip.resumes ? ["--resume-retries", "20"] : [];
    const common = ["download", "--no-deps", "--no-cache-dir", "--require-hashes", ...resume];
    const args = [...common, ...platformArguments(), "--dest", part, "--requirement", list];
    const problem = await runPip(pip, args);
    if (problem !== undefined) {
      // Also what pip says where it reaches no index at all.
      const reached = /No matching distribution/.test(problem) ? "; is the index reached?" : "";
      throw failed(`${wheel.name} ${wheel.version}: ${problem}${reached}`);
    }
    const file = await wheelFile(part, wheel);
    if (file === undefined) throw failed(`pip left no wheel of ${wheel.name} ${wheel.version}`);
    const kept = join(folder, file.slice(part.length + 1));
    await rename(file, kept);
    return kept;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/**
 * Files at hand by their digest; each must be one of the wheels.
 * @param {string[]} files @param {Wheel[]} wheels @returns {Promise<Map<string, string>>}
 */
async function byDigest(files, wheels) {
  const found = new Map();
  for (const file of files) {
    if (!existsSync(file)) throw failed(`${file} does not exist`);
    found.set(await sha256(file), file);
  }
  const known = new Set(wheels.map((wheel) => wheel.sha256));
  for (const [digest, file] of found) {
    if (!known.has(digest)) {
      const wanted = wheels.map(({ name, version }) => `${name} ${version}`).join(", ");
      throw failed(`${file} is not one of the pinned wheels, ${wanted} (its sha256 is ${digest})`);
    }
  }
  return found;
}

/** Every wheel as a file with the right digest. @param {Required<InstallOptions>} options */
async function collect({ set: { wheels }, files, env, log }) {
  const folder = join(cacheFolder(env), "wheels");
  await mkdir(folder, { recursive: true });
  const given = await byDigest(files, wheels);
  let pip;
  const paths = [];
  for (const wheel of wheels) {
    const label = `${wheel.name} ${wheel.version}`;
    const kept = given.get(wheel.sha256) ?? (await wheelFile(folder, wheel));
    if (kept !== undefined && (await sha256(kept)) === wheel.sha256) {
      log(`${label}: here already`);
      paths.push(kept);
      continue;
    }
    if (kept !== undefined) await rm(kept);
    log(`${label}: fetching`);
    pip ??= await preparePip(env, log);
    const file = await download(pip, wheel, folder);
    if ((await sha256(file)) !== wheel.sha256) throw failed(`${label}: wrong digest`);
    paths.push(file);
  }
  return paths;
}

/** @param {string} cache @param {{ download: number, unpacked: number }} need @param {(line: string) => void} log */
async function checkDisk(cache, need, log) {
  const total = need.download + need.unpacked;
  log(`LibTorch: ${gigabytes(need.download)} to download, ${gigabytes(total)} of disk at ${cache}`);
  const { bavail, bsize } = await statfs(cache);
  if (bavail * bsize < total) {
    throw failed(
      `${cache} has ${gigabytes(bavail * bsize)} free and ${gigabytes(total)} are needed`,
    );
  }
}

/** Unpacks wheels as Python's site-packages has them. @param {string[]} paths @param {string} target @param {Required<InstallOptions>} options */
async function unpack(paths, target, { env, log }) {
  log("unpacking");
  const pip = await preparePip(env, log);
  const common = [
    "install",
    "--quiet",
    "--no-deps",
    "--no-index",
    "--no-compile",
    "--no-cache-dir",
  ];
  const args = [...common, ...platformArguments(), "--target", target, ...paths];
  const problem = await runPip(pip, args);
  if (problem !== undefined) throw failed(problem);
}

/** @param {Required<InstallOptions>} options */
async function installInto(options) {
  const kind = options.cuda ? "cuda" : "cpu";
  const cache = cacheFolder(options.env);
  const final = installFolder(kind, options.env);
  const present = examine("cache", join(final, "torch"));
  if (present.found) return present.found;
  await checkDisk(cache, options.set.need, options.log);
  const paths = await collect(options);
  for (const name of await readdir(cache)) {
    if (/^libtorch-.*\.tmp$/.test(name)) await rm(join(cache, name), { recursive: true });
  }
  const temporary = `${final}.${process.pid}.tmp`;
  await unpack(paths, temporary, options);
  await rm(final, { recursive: true, force: true });
  await rename(temporary, final);
  if (options.cuda) await rm(installFolder("cpu", options.env), { recursive: true, force: true });
  const { found, tried } = examine("cache", join(final, "torch"));
  if (found === undefined) throw failed(`the new installation ${tried?.problem}`);
  return found;
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
  env = process.env,
  log = () => {},
} = {}) {
  const cache = cacheFolder(env);
  try {
    await mkdir(cache, { recursive: true });
    const wait = () => log("waiting for another process that installs LibTorch");
    return await exclusively(cache, () => installInto({ cuda, set, files, env, log }), wait);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== "ENOSPC" && !isWritable(cache)) {
      throw failed(`${cache} cannot be written to; name another folder in MEDCOSS_CACHE`);
    }
    throw failed(message ?? String(error));
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
