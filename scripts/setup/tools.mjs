/**
 * The tools that the set-up needs: refused with one line where only the user can bring them, fetched as wheels where
 * PyPI has them.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cacheFolder } from "../../lib/native/libtorch/find.mjs";
import { atLeast, fetchPackages, preparePip } from "../../lib/native/libtorch/pip.mjs";
import { missing, say } from "./report.mjs";

const NODE = /** @type {const} */ ([20, 17]);
const CMAKE = /** @type {const} */ ([3, 22]);
/** Wheels of build tools, and where each keeps its program. */
const wheels = {
  cmake: {
    name: "cmake",
    version: "3.31.6",
    sha256: "1c8b05df0602365da91ee6a3336fe57525b137706c4ab5675498f662ae1dbcec",
    programs: "cmake/data/bin",
  },
  ninja: {
    name: "ninja",
    version: "1.11.1.4",
    sha256: "096487995473320de7f65d622c3f1d16c3ad174797602218ca8c967f51ec38a0",
    programs: "bin",
  },
  "clang-format": {
    name: "clang-format",
    version: "14.0.6",
    sha256: "d7c1c5e404c58e55f0170f01b3c5611dce6c119e62b5d1020347e0ad97d5a047",
    programs: "clang_format/data/bin",
  },
};

export function requireNode(version = process.versions.node) {
  if (atLeast(version, NODE)) return;
  const line = `Node.js ${NODE.join(".")} or newer`;
  throw missing(
    line,
    `This is ${version}. Install it from your distribution or with nvm install 22.`,
  );
}

/** @param {string} command @param {NodeJS.ProcessEnv} env */
function versionOf(command, env) {
  const run = spawnSync(command, ["--version"], { env, encoding: "utf8" });
  return run.status === 0 ? (/\d+\.\d+[\d.]*/.exec(run.stdout)?.[0] ?? "0") : undefined;
}

/** @param {NodeJS.ProcessEnv} [env] */
export function requireCompiler(env = process.env) {
  const names = env.CXX ? [env.CXX] : ["c++", "g++", "clang++"];
  if (names.some((name) => versionOf(name, env) !== undefined)) return;
  throw missing(
    env.CXX ? `The C++ compiler ${env.CXX}` : "A C++ compiler",
    "Install it: sudo apt-get install g++ (or dnf install gcc-c++)",
  );
}

/** @param {keyof typeof wheels} name @param {NodeJS.ProcessEnv} env @returns {Promise<string>} the folder of the program */
async function fetchTool(name, env) {
  const wheel = wheels[name];
  const folder = join(cacheFolder(env), "tools", `${name}-${wheel.version}`);
  if (!existsSync(folder)) {
    say(`Fetching ${name} ${wheel.version} ...`);
    const problem = await fetchPackages(await preparePip(env, say), [wheel], folder);
    if (problem !== undefined) {
      throw missing(
        name,
        `It could not be fetched (${problem}). Install it: sudo apt-get install ${name}`,
      );
    }
  }
  return join(folder, wheel.programs);
}

/**
 * The pinned clang-format, since each major version formats in its own way: the machine's, else the wheel's.
 * @param {NodeJS.ProcessEnv} [env] @returns {Promise<string>} its path
 */
export async function clangFormat(env = process.env) {
  const [major] = wheels["clang-format"].version.split(".");
  if (versionOf("clang-format", env)?.startsWith(`${major}.`)) return "clang-format";
  return join(await fetchTool("clang-format", env), "clang-format");
}

/** The environment with cmake and ninja on its path. @param {NodeJS.ProcessEnv} [env] */
export async function withBuildTools(env = process.env) {
  const folders = [];
  const cmake = versionOf("cmake", env);
  if (cmake === undefined || !atLeast(cmake, CMAKE)) folders.push(await fetchTool("cmake", env));
  const builders = ["ninja", "make"].map((name) => versionOf(name, env));
  if (builders.every((version) => version === undefined))
    folders.push(await fetchTool("ninja", env));
  return { ...env, PATH: [...folders, env.PATH ?? ""].join(delimiter) };
}
