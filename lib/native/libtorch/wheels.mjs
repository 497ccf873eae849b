/**
 * The wheels of an installation as files: kept from an earlier one, given by the user, or fetched with pip.
 *
 * Invariant: a wheel counts only with the digest that is pinned, and is unpacked without pip, so that pip is asked for
 * nothing but what is nowhere at hand. A file in the folder of kept wheels has its name only when it is complete.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import {
  copyFile,
  link,
  mkdir,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { cacheFolder } from "./find.mjs";
import { WHEEL_GLIBC_MINOR, WHEEL_PYTHON } from "./pins.mjs";
import { preparePip, requirement, runPip } from "./pip.mjs";
import { installFailure } from "./problem.mjs";

/**
 * @typedef {import("./pins.mjs").Wheel} Wheel
 * @typedef {object} Held a wheel and where it is
 * @property {Wheel} wheel
 * @property {string} [kept] its file in the cache folder
 * @property {string} [given] its file elsewhere
 * @property {number} bytes size of that file; 0 where there is none
 */

/** @param {string} file */
async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** The tags of wheels that run on the oldest system that medcoss supports. */
function platformArguments() {
  const minors = Array.from({ length: WHEEL_GLIBC_MINOR - 4 }, (_, i) => WHEEL_GLIBC_MINOR - i);
  const tags = minors.map((minor) => `manylinux_2_${minor}_x86_64`);
  const all = [...tags, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"];
  const python = ["--implementation", "cp", "--python-version", WHEEL_PYTHON];
  return [...all.flatMap((tag) => ["--platform", tag]), ...python, "--only-binary=:all:"];
}

/** How the names of a wheel's files begin. @param {Wheel} wheel */
const stemOf = ({ name, version }) => `${name.replaceAll("-", "_")}-${version}-`;

/** The wheel's file in a folder. @param {string} folder @param {Wheel} wheel */
async function wheelFile(folder, wheel) {
  const name = (await readdir(folder)).find(
    (file) => file.startsWith(stemOf(wheel)) && file.endsWith(".whl"),
  );
  return name === undefined ? undefined : join(folder, name);
}

/** @param {NodeJS.ProcessEnv} env */
const keptFolder = (env) => join(cacheFolder(env), "wheels");

/** A place for what is not complete yet. @param {string} folder */
const partOf = (folder) => join(folder, `.part-${process.pid}`);

/**
 * Files that the user gives, by their digest; each must be one of the wheels.
 * @param {string[]} files @param {Wheel[]} wheels @returns {Promise<Map<string, string>>}
 */
async function byDigest(files, wheels) {
  const found = new Map();
  const known = new Set(wheels.map((wheel) => wheel.sha256));
  for (const file of files) {
    if (!existsSync(file)) throw installFailure(`${file} does not exist`);
    const digest = await sha256(file);
    if (!known.has(digest)) {
      const wanted = wheels.map(({ name, version }) => `${name} ${version}`).join(", ");
      throw installFailure(
        `${file} is not one of the pinned wheels, ${wanted} (its sha256 is ${digest})`,
      );
    }
    found.set(digest, file);
  }
  return found;
}

/**
 * What is at hand of each wheel. Takes broken files and what a killed process left out of the folder of kept wheels.
 * @param {Wheel[]} wheels @param {string[]} files @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Held[]>}
 */
export async function takeStock(wheels, files, env) {
  const folder = keptFolder(env);
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (name.startsWith(".part-")) await rm(join(folder, name), { recursive: true });
  }
  const atHand = await byDigest(files, wheels);
  const held = [];
  for (const wheel of wheels) {
    const file = await wheelFile(folder, wheel);
    const whole = file !== undefined && (await sha256(file)) === wheel.sha256;
    if (file !== undefined && !whole) await rm(file);
    const kept = whole ? file : undefined;
    const given = kept === undefined ? atHand.get(wheel.sha256) : undefined;
    const place = kept ?? given;
    held.push({ wheel, kept, given, bytes: place === undefined ? 0 : (await stat(place)).size });
  }
  return held;
}

/** Keeps a file that was given, so that a repair needs it no more. @param {string} file @param {Wheel} wheel @param {string} folder */
async function keep(file, wheel, folder) {
  const kept = join(folder, `${stemOf(wheel)}given.whl`);
  try {
    await link(await realpath(file), kept);
  } catch {
    // Another disk, or a file that may not be linked.
    const part = partOf(folder);
    try {
      await copyFile(file, part);
      await rename(part, kept);
    } finally {
      await rm(part, { force: true });
    }
  }
  return kept;
}

/** Fetches one wheel into `folder`. @param {import("./pip.mjs").Pip} pip @param {Wheel} wheel @param {string} folder */
async function download(pip, wheel, folder) {
  const part = partOf(folder);
  await mkdir(part, { recursive: true });
  try {
    const list = join(part, "requirements.txt");
    await writeFile(list, `${requirement(wheel)}\n`);
    const resume = pip.resumes ? ["--resume-retries", "20"] : [];
    const common = ["download", "--no-deps", "--no-cache-dir", "--require-hashes", ...resume];
    const args = [...common, ...platformArguments(), "--dest", part, "--requirement", list];
    // pip writes the wheel under TMPDIR before it moves it; the default may be a small disk in memory.
    const environment = { ...pip.environment, TMPDIR: part };
    const problem = await runPip({ ...pip, environment }, args);
    if (problem !== undefined) {
      // Also what pip says where it reaches no index at all.
      const reached = /No matching distribution/.test(problem) ? "; is the index reached?" : "";
      throw installFailure(`${wheel.name} ${wheel.version}: ${problem}${reached}`);
    }
    const file = await wheelFile(part, wheel);
    if (file === undefined || (await sha256(file)) !== wheel.sha256) {
      const what = file === undefined ? "pip left no wheel" : "wrong digest";
      throw installFailure(`${wheel.name} ${wheel.version}: ${what}`);
    }
    const kept = join(folder, file.slice(part.length + 1));
    await rename(file, kept);
    return kept;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/**
 * Brings every wheel into the folder of kept ones, and returns their files.
 * @param {Held[]} stock @param {NodeJS.ProcessEnv} env @param {(line: string) => void} log
 */
export async function collect(stock, env, log) {
  const folder = keptFolder(env);
  let pip;
  const paths = [];
  for (const { wheel, kept, given } of stock) {
    const label = `${wheel.name} ${wheel.version}`;
    if (kept !== undefined) {
      log(`${label}: here already`);
      paths.push(kept);
    } else if (given !== undefined) {
      log(`${label}: from ${given}`);
      paths.push(await keep(given, wheel, folder));
    } else {
      log(`${label}: fetching`);
      pip ??= await preparePip(env, log);
      paths.push(await download(pip, wheel, folder));
    }
  }
  return paths;
}

/** Unpacks a wheel as Python's site-packages has it. @param {string} file @param {string} target */
export async function unpackWheel(file, target) {
  // Loaded late: the set-up of a fresh clone imports this file before there are node modules, and installs them first.
  const { openPromise } = await import("yauzl");
  const zip = await openPromise(file, { autoClose: true, lazyEntries: true });
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith("/")) continue;
    const path = join(target, entry.fileName);
    await mkdir(dirname(path), { recursive: true });
    const mode = (entry.externalFileAttributes >>> 16) & 0o777;
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path, { mode }));
  }
}
