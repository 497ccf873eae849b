/**
 * Builds the addon, unless a prebuilt one was made from the same sources.
 */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { digestOf } from "./digest.mjs";
import { runStep } from "./run.mjs";
import { requireCompiler, withBuildTools } from "./tools.mjs";

/** One compiler process that includes LibTorch's headers takes about this much. */
const BYTES_PER_JOB = 2e9;
const FOLDER = "build/native";

/** @param {string} root */
const versionOf = (root) => JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;

/** What the addon is made from. @param {string} root @param {string} libtorch version of LibTorch */
export function nativeDigest(root, libtorch) {
  const sources = ["CMakeLists.txt", "native"];
  return digestOf(root, sources, [versionOf(root), libtorch, process.arch]);
}

/** @param {string} root @param {string} digest */
export function hasPrebuild(root, digest) {
  const folder = join(root, "prebuilds", `linux-${process.arch}`);
  const stamp = join(folder, "sources.sha256");
  return (
    existsSync(join(folder, "medcoss.node")) &&
    existsSync(stamp) &&
    readFileSync(stamp, "utf8").trim() === digest
  );
}

/** @param {string} root */
export const hasLocalBuild = (root) =>
  ["medcoss.node", "medcoss_loader.node"].every((name) =>
    existsSync(join(root, FOLDER, "Release", name)),
  );

/** How far a line of ninja or make says the build is. @param {string} line */
const buildNote = (line) => /^\[(\s*\d+%|\d+\/\d+)\]/.exec(line)?.[0];

/**
 * @param {string} root
 * @param {string} libtorch the torch folder
 * @param {{ sanitize?: boolean }} [options]
 */
export async function buildNative(root, libtorch, { sanitize = false } = {}) {
  requireCompiler();
  const env = await withBuildTools();
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / BYTES_PER_JOB)));
  const out = sanitize ? `${FOLDER}-sanitize` : FOLDER;
  const definitions = [
    `--CDMEDCOSS_LIBTORCH=${libtorch}`,
    `--CDMEDCOSS_SANITIZE=${sanitize ? "ON" : "OFF"}`,
  ];
  const step = (/** @type {string} */ action, /** @type {string} */ label) =>
    runStep(root, {
      name: `${sanitize ? "sanitize" : "native"}-${action}`,
      label,
      command: process.execPath,
      args: [
        join(root, "node_modules/cmake-js/bin/cmake-js"),
        action,
        ...["--out", out, "--parallel", String(jobs)],
        ...definitions,
      ],
      env: { ...env, MEDCOSS_LIBTORCH: libtorch },
      note: buildNote,
    });
  // Not `compile`: after an error it builds everything a second time.
  await step("configure", "Configuring the addon");
  await step("build", `Building the addon, ${jobs} files at a time`);
}
