/**
 * pip of the machine's python3, or a newer one in the cache folder where the machine's is too old.
 *
 * Invariant: pip's own configuration (index, proxies, certificates) applies; no address of a registry stands here.
 * Nothing is installed into the machine's Python, so externally managed ones do as well.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cacheFolder } from "./find.mjs";
import { pipWheel } from "./pins.mjs";
import { Problem } from "./problem.mjs";

/** From this release on, a broken download goes on where it stopped. */
const RESUMES = /** @type {const} */ ([25, 1]);
/** Before this release, wheels of a newer C library are not known. */
const OLDEST = /** @type {const} */ ([20, 3]);

/** @typedef {{ python: string, resumes: boolean, environment: NodeJS.ProcessEnv }} Pip */

/** @param {string} version @param {readonly [number, number]} least */
export function atLeast(version, least) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > least[0] || (major === least[0] && minor >= least[1]);
}

/** @param {string} tool @param {string} packages that bring it in Debian */
function noPip(tool, packages) {
  const install = `Install it: sudo apt-get install ${packages} (or dnf install python3-pip)`;
  return new Problem("E_TOOL_MISSING", { tool, install });
}

/** Version of the machine's pip; a problem where there is none. @param {NodeJS.ProcessEnv} env */
export function machinePip(env) {
  const run = spawnSync("python3", ["-m", "pip", "--version"], { env, encoding: "utf8" });
  if (run.error) {
    throw noPip("python3", "python3 python3-pip");
  }
  const version = /^pip (\S+)/m.exec(run.stdout)?.[1];
  if (run.status !== 0 || version === undefined) {
    throw noPip("pip of python3", "python3-pip");
  }
  return version;
}

/**
 * Runs pip; its progress goes to stderr. Returns pip's last error line, undefined where it succeeded.
 * @param {Pip} pip @param {string[]} args
 * @returns {Promise<string | undefined>}
 */
export function runPip(pip, args) {
  return new Promise((done, fail) => {
    const child = spawn(pip.python, ["-m", "pip", ...args], {
      env: pip.environment,
      stdio: ["ignore", process.stderr, "pipe"],
    });
    let problem = "";
    createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stderr) }).on(
      "line",
      (line) => {
        if (/^ERROR|rror:/.test(line)) problem = line.replace(/^ERROR: /, "");
      },
    );
    child.once("error", fail);
    child.once("close", (code) =>
      done(code === 0 ? undefined : problem || `pip ended with code ${code}`),
    );
  });
}

/** @param {import("./pins.mjs").Wheel} wheel a line of a requirements file, with its digest */
export const requirement = (wheel) =>
  `${wheel.name}==${wheel.version} --hash=sha256:${wheel.sha256}`;

/** @param {NodeJS.ProcessEnv} env */
function cleanEnvironment(env) {
  return {
    ...env,
    // These would contradict --target.
    PIP_USER: "0",
    PIP_REQUIRE_VIRTUALENV: "0",
    PIP_NO_INPUT: "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    // pip works under TMPDIR before it moves; the default may be a small disk in memory.
    TMPDIR: join(cacheFolder(env), "tmp"),
  };
}

/**
 * Puts pinned packages into a folder of their own, which has its name only when complete. Returns pip's last error
 * line, undefined where it succeeded.
 * @param {Pip} pip @param {import("./pins.mjs").Wheel[]} wheels @param {string} folder
 */
export async function fetchPackages(pip, wheels, folder) {
  const temporary = `${folder}.${process.pid}.tmp`;
  mkdirSync(temporary, { recursive: true });
  try {
    const list = join(temporary, "requirements.txt");
    writeFileSync(list, wheels.map((wheel) => `${requirement(wheel)}\n`).join(""));
    const fresh = join(temporary, "package");
    const options = ["--quiet", "--no-deps", "--no-compile", "--require-hashes"];
    const problem = await runPip(pip, ["install", ...options, "--target", fresh, "-r", list]);
    if (problem === undefined && !existsSync(folder)) renameSync(fresh, folder);
    return problem;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * A pip that can do the work.
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} log
 * @returns {Promise<Pip>}
 */
export async function preparePip(env, log) {
  const version = machinePip(env);
  const environment = cleanEnvironment(env);
  mkdirSync(/** @type {string} */ (environment.TMPDIR), { recursive: true });
  const own = { python: "python3", resumes: atLeast(version, RESUMES), environment };
  if (own.resumes) return own;
  const folder = join(cacheFolder(env), "tools", `pip-${pipWheel.version}`);
  if (!existsSync(folder)) {
    log(`pip ${version} cannot resume downloads; fetching pip ${pipWheel.version}`);
    const problem = await fetchPackages(own, [pipWheel], folder);
    if (problem !== undefined) {
      if (atLeast(version, OLDEST)) return own;
      throw new Problem("E_LIBTORCH_INSTALL", { problem: `pip ${version} is too old; ${problem}` });
    }
  }
  const path = env.PYTHONPATH ? `${folder}:${env.PYTHONPATH}` : folder;
  return { python: "python3", resumes: true, environment: { ...environment, PYTHONPATH: path } };
}
