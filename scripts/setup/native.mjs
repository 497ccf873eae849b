/**
 * Builds the addon, unless a prebuilt one was made from the same sources.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { findNvcc } from "./cuda.mjs";
import { digestOf } from "./digest.mjs";
import { say } from "./report.mjs";
import { runStep } from "./run.mjs";
import { requireCompiler, withBuildTools } from "./tools.mjs";

/** One compiler process that includes LibTorch's headers takes about this much. */
const BYTES_PER_JOB = 2e9;
const FOLDER = "build/native";
const ADDON = ["medcoss.node", "medcoss_loader.node", "medcoss_pixels.node", "libturbojpeg.so.0"];
const KERNELS = "libmedcoss_cuda.so";

/** The kinds of instrumented builds, and the sanitizers of each. */
export const sanitizers = { address: "address,undefined", thread: "thread" };

/** Everything that a release needs. */
export const binaries = [...ADDON, KERNELS];

/** @param {string} root */
const versionOf = (root) => JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;

/**
 * What the binaries are made from.
 * @param {string} root @param {string} libtorch version of LibTorch @param {string} [nvcc] where kernels are built with
 */
export function nativeDigest(root, libtorch, nvcc) {
  const sources = ["CMakeLists.txt", "native"];
  const tools = nvcc === undefined ? [] : [nvcc];
  return digestOf(root, sources, [versionOf(root), libtorch, process.arch, ...tools]);
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

/** Whether everything is built that can be built here, or all of `names`. @param {string} root @param {string[]} [names] */
export const hasLocalBuild = (root, names = findNvcc() ? binaries : ADDON) =>
  names.every((name) => existsSync(join(root, FOLDER, "Release", name)));

/** The nvcc for a build; without one it is said what the build is for. @param {string} root */
function nvccFor(root) {
  const nvcc = findNvcc();
  if (nvcc !== undefined) return nvcc;
  say("Building all that a CPU needs (for an NVIDIA GPU as well: npm run setup -- --cuda)");
  // One of older sources must not be loaded beside the new addon.
  rmSync(join(root, FOLDER, "Release", KERNELS), { force: true });
  return "";
}

/** How far a line of ninja or make says the build is. @param {string} line */
const buildNote = (line) => /^\[(\s*\d+%|\d+\/\d+)\]/.exec(line)?.[0];

/** Where the addon of a kind is built. @param {keyof typeof sanitizers} [sanitize] */
export const buildFolder = (sanitize) => (sanitize ? `${FOLDER}-${sanitize}` : FOLDER);

/**
 * @param {string} root
 * @param {string} libtorch the torch folder
 * @param {keyof typeof sanitizers} [sanitize] builds an instrumented addon beside the other, without kernels
 */
export async function buildNative(root, libtorch, sanitize) {
  requireCompiler();
  const env = await withBuildTools();
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / BYTES_PER_JOB)));
  const definitions = [
    `--CDMEDCOSS_LIBTORCH=${libtorch}`,
    `--CDMEDCOSS_SANITIZE=${sanitize ? sanitizers[sanitize] : ""}`,
    `--CDMEDCOSS_NVCC=${sanitize ? "" : nvccFor(root)}`,
  ];
  const step = (/** @type {string} */ action, /** @type {string} */ label) =>
    runStep(root, {
      name: `${sanitize ?? "native"}-${action}`,
      label,
      command: process.execPath,
      args: [
        join(root, "node_modules/cmake-js/bin/cmake-js"),
        action,
        ...["--out", buildFolder(sanitize), "--parallel", String(jobs)],
        ...definitions,
      ],
      env: { ...env, MEDCOSS_LIBTORCH: libtorch },
      note: buildNote,
    });
  // Not `compile`: after an error it builds everything a second time.
  await step("configure", "Configuring the addon");
  await step("build", `Building the addon, ${jobs} files at a time`);
}
