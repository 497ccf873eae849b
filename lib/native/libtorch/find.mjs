/**
 * Where LibTorch is: MEDCOSS_LIBTORCH, else the cache folder, else the torch of the python3 on the path.
 *
 * Invariant: a place counts only when its version fits and the libraries that the addon needs are all there, whole.
 * A place named by MEDCOSS_LIBTORCH is the user's decision: when it does not fit, no other is tried.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { LIBTORCH_VERSION } from "./pins.mjs";

/**
 * @typedef {"MEDCOSS_LIBTORCH" | "cache" | "python3"} Place
 * @typedef {object} Libtorch
 * @property {string} path the torch folder, which holds lib/ and include/
 * @property {string} version for example `2.11.0+cu130`
 * @property {boolean} cuda whether the libraries that a GPU needs are there
 * @property {Place} how
 * @typedef {object} Tried
 * @property {Place} place
 * @property {string} path
 * @property {string} problem
 * @property {string} [version] where a LibTorch of another version was found
 * @typedef {NodeJS.ProcessEnv} Environment
 */

/** @param {Environment} [env] */
export function cacheFolder(env = process.env) {
  if (env.MEDCOSS_CACHE) return resolve(env.MEDCOSS_CACHE);
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "medcoss");
}

/** The site-packages folder of an installation of ours. @param {"cpu" | "cuda"} kind @param {Environment} [env] */
export function installFolder(kind, env = process.env) {
  return join(cacheFolder(env), `libtorch-${LIBTORCH_VERSION}-${kind}`);
}

/** Whether files can be made in a folder. @param {string} folder */
export function isWritable(folder) {
  try {
    // With the dot a file is refused, too.
    accessSync(`${folder}/.`, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} file */
function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** @param {string} torch */
function readVersion(torch) {
  const python = readText(join(torch, "version.py"));
  const version =
    /^__version__ = '([^']+)'/m.exec(python)?.[1] ?? readText(join(torch, "build-version")).trim();
  const cuda = /^cuda\b[^=]*= '(\d+)/m.exec(python)?.[1] ?? /\+cu(\d+)\d$/.exec(version)?.[1];
  return { version, cudaMajor: cuda };
}

/** Folders that may hold CUDA's libraries, as PyTorch's own run paths have them. @param {string} torch */
function libraryFolders(torch) {
  const nvidia = join(dirname(torch), "nvidia");
  const packages = existsSync(nvidia) ? readdirSync(nvidia) : [];
  return [join(torch, "lib"), ...packages.map((name) => join(nvidia, name, "lib"))];
}

/** Sizes of the installed files as pip recorded them; empty for other kinds of installation. @param {string} torch */
function recordedSizes(torch) {
  const record = readText(join(dirname(torch), `torch-${LIBTORCH_VERSION}.dist-info`, "RECORD"));
  const sizes = /** @type {Map<string, number>} */ (new Map());
  for (const match of record.matchAll(/^torch\/lib\/([^,/]+),[^,]*,(\d+)$/gm)) {
    sizes.set(/** @type {string} */ (match[1]), Number(match[2]));
  }
  return sizes;
}

/**
 * What is wrong with the libraries of an installation; undefined where nothing is.
 * @param {string} torch @param {string | undefined} cudaMajor
 */
function libraryProblem(torch, cudaMajor) {
  const sizes = recordedSizes(torch);
  for (const name of ["libc10.so", "libtorch_cpu.so"]) {
    const file = join(torch, "lib", name);
    if (!existsSync(file)) return `incomplete: lib/${name} is missing`;
    const size = sizes.get(name);
    if (size !== undefined && statSync(file).size !== size)
      return `damaged: lib/${name} is cut off`;
  }
  if (cudaMajor === undefined) return undefined;
  const folders = libraryFolders(torch);
  for (const name of ["libcudart", "libcupti"]) {
    const file = `${name}.so.${cudaMajor}`;
    if (!folders.some((folder) => existsSync(join(folder, file)))) {
      return `incomplete: ${file} is missing`;
    }
  }
  return undefined;
}

/** @param {string} torch @param {string | undefined} cudaMajor */
function hasCuda(torch, cudaMajor) {
  if (cudaMajor === undefined || !existsSync(join(torch, "lib", "libtorch_cuda.so"))) return false;
  return libraryFolders(torch).some((folder) =>
    existsSync(join(folder, `libcublas.so.${cudaMajor}`)),
  );
}

/** The torch folder at or below a path that the user named. @param {string} path */
function torchFolder(path) {
  const below = join(path, "torch");
  return basename(path) !== "torch" && existsSync(below) ? below : path;
}

/**
 * Looks at one place.
 * @param {Place} place @param {string} path the torch folder or the one above it
 * @returns {{ found?: Libtorch, tried?: Tried }}
 */
export function examine(place, path) {
  const torch = torchFolder(path);
  const fail = (/** @type {string} */ problem, /** @type {string} */ version = "") => ({
    tried: { place, path: torch, problem, ...(version && { version }) },
  });
  if (!existsSync(torch)) return fail("does not exist");
  const { version, cudaMajor } = readVersion(torch);
  if (version === "") return fail("holds no LibTorch (no version.py or build-version)");
  if (version.split("+")[0] !== LIBTORCH_VERSION) return fail(`is LibTorch ${version}`, version);
  const problem = libraryProblem(torch, cudaMajor);
  if (problem !== undefined) return fail(problem);
  return { found: { path: torch, version, cuda: hasCuda(torch, cudaMajor), how: place } };
}

/** The folder of python3's torch, found without importing it. @param {Environment} env @returns {{ found?: Libtorch, tried?: Tried }} */
function examinePython(env) {
  // Without the empty entry, a folder named torch in the current folder would be taken for the package.
  const program =
    "import sys; sys.path[:] = [p for p in sys.path if p]\n" +
    "import importlib.util as u; s = u.find_spec('torch')\n" +
    "print(list(s.submodule_search_locations)[0] if s and s.submodule_search_locations else '')";
  const run = spawnSync("python3", ["-c", program], { env, encoding: "utf8", timeout: 20_000 });
  const place = /** @type {const} */ ("python3");
  const path = run.stdout?.trim() ?? "";
  if (path !== "") return examine(place, path);
  const problem = run.error ? "there is no python3 on the path" : "its Python has no torch";
  return { tried: { place, path: "python3", problem } };
}

/**
 * Finds LibTorch, or tells every place tried and what was found there.
 * @param {Environment} [env]
 * @returns {{ found?: Libtorch, tried: Tried[] }}
 */
export function searchLibtorch(env = process.env) {
  const named = env.MEDCOSS_LIBTORCH;
  const places = named
    ? [() => examine("MEDCOSS_LIBTORCH", resolve(named))]
    : [
        () => examine("cache", join(installFolder("cuda", env), "torch")),
        () => examine("cache", join(installFolder("cpu", env), "torch")),
        () => examinePython(env),
      ];
  const tried = [];
  for (const look of places) {
    const result = look();
    if (result.found) return { found: result.found, tried };
    if (result.tried) tried.push(result.tried);
  }
  return { tried };
}
