/**
 * Makes a checkout ready to run: node modules, LibTorch, the addon, compiled TypeScript. With `--cuda` also nvcc, and
 * the CUDA kernels with it; once it is there, it is used by every set-up. With `--next` what can be run then is said.
 *
 * Invariant: needs nothing but Node.js; every part is made only when what it is made from has changed, so a second run
 * does next to nothing. Two runs at once are safe: the second waits. Nothing is written to stdout.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { exclusively } from "../lib/exclusive.mjs";
import { searchLibtorch } from "../lib/native/libtorch/find.mjs";
import { installLibtorch } from "../lib/native/libtorch/install.mjs";
import { Problem } from "../lib/native/libtorch/problem.mjs";
import { fetchNvcc, findNvcc } from "./setup/cuda.mjs";
import { digestOf, openStamps } from "./setup/digest.mjs";
import { buildNative, hasLocalBuild, hasPrebuild, nativeDigest } from "./setup/native.mjs";
import { SetupError, say } from "./setup/report.mjs";
import { runStep } from "./setup/run.mjs";
import { requireNode } from "./setup/tools.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = openStamps(root);
const withCuda = process.argv.includes("--cuda");
/** For a set-up that is not the first half of another command. */
const saysNext = process.argv.includes("--next");

/**
 * A part of the checkout. `run` is undefined where it is there already.
 * @typedef {{ run: () => Promise<void> } | undefined} Work
 */

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean }>} */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

/** Whether npm installed exactly what the lock file says, however it was called. */
function modulesFit() {
  if (!existsSync(join(root, "node_modules", ".package-lock.json"))) return false;
  const wanted = lockedPackages("package-lock.json");
  const installed = lockedPackages("node_modules/.package-lock.json");
  return Object.entries(wanted).every(
    ([name, { version, optional }]) =>
      name === "" || (name in installed ? installed[name]?.version === version : optional === true),
  );
}

/** @returns {Work} */
function modulesWork() {
  if (modulesFit()) return undefined;
  return {
    run: () =>
      runStep(root, {
        name: "npm",
        label: "Installing node modules",
        command: "npm",
        args: ["ci", "--no-audit", "--no-fund"],
      }),
  };
}

/** @returns {Work} */
function libtorchWork() {
  const { found, tried } = searchLibtorch();
  if (found !== undefined) return undefined;
  const named = tried.find((entry) => entry.place === "MEDCOSS_LIBTORCH");
  if (named !== undefined) {
    const help = "Correct it, or unset it to have LibTorch found or installed.";
    throw new SetupError(
      `E_LIBTORCH_MISSING: MEDCOSS_LIBTORCH=${named.path} ${named.problem}. ${help}`,
    );
  }
  return {
    run: async () => {
      say("Installing LibTorch ...");
      await installLibtorch({ log: (line) => say(`  ${line}`) });
    },
  };
}

/** @returns {Work} */
function nvccWork() {
  return withCuda && findNvcc() === undefined ? { run: () => fetchNvcc() } : undefined;
}

/** @returns {Work} */
function nativeWork() {
  const { found } = searchLibtorch();
  const run = async (
    /** @type {import("../lib/native/libtorch/find.mjs").Libtorch} */ libtorch,
  ) => {
    await buildNative(root, libtorch.path);
    stamps.set("native", nativeDigest(root, libtorch.version, findNvcc()));
  };
  if (found === undefined) return undefined;
  const present = hasLocalBuild(root)
    ? stamps.fits("native", nativeDigest(root, found.version, findNvcc()))
    : hasPrebuild(root, nativeDigest(root, found.version));
  if (present) return undefined;
  return { run: () => run(found) };
}

/** @returns {Work} */
function libraryWork() {
  const digest = digestOf(root, ["lib", "package.json", "tsconfig.json", "tsconfig.dist.json"]);
  const present = existsSync(join(root, "dist", "cli", "main.js"));
  if (present && stamps.fits("library", digest)) return undefined;
  return {
    run: async () => {
      await runStep(root, {
        name: "tsc",
        label: "Compiling TypeScript",
        command: process.execPath,
        args: [join(root, "node_modules/typescript/bin/tsc"), "--project", "tsconfig.dist.json"],
      });
      stamps.set("library", digest);
    },
  };
}

/** In the order in which they need each other; each is asked after the one before has run. */
const parts = [modulesWork, libtorchWork, nvccWork, nativeWork, libraryWork];

async function setUp() {
  if (parts.every((work) => work() === undefined) && searchLibtorch().found) return;
  await exclusively(
    root,
    async () => {
      for (const work of parts) await work()?.run();
    },
    () => say("Waiting for another set-up of this folder ..."),
  );
}

async function main() {
  requireNode();
  await setUp();
  if (saysNext) say("Ready. Next: npm run demo, npm test, or npm run bench -- --help");
}

/** @param {unknown} error */
function report(error) {
  if (error instanceof SetupError) {
    for (const line of error.details) say(`  | ${line}`);
    say(error.message);
  } else if (error instanceof Problem) {
    say(`${error.code}: ${Object.values(error.values).join(". ")}`);
  } else {
    say(`E_SETUP: ${error instanceof Error ? error.message : error}`);
  }
  process.exitCode = 1;
}

await main().catch(report);
