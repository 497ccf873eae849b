/**
 * Checks that arrows point down: in native/ (addon, train, model, ops, support) and in lib/ (command line, stages, data,
 * foundations), and that only lib/trainer.ts reaches the addon on LibTorch.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** From the top down; a file may include from its own layer and those below. */
const nativeLayers = ["addon", "train", "model", "ops", "support"];

/**
 * Folders and files of lib/ from the top down; what stands in one line may use each other.
 * @type {string[][]}
 */
const libraryLayers = [
  ["cli"],
  ["index.ts"],
  ["demo"],
  ["features"],
  ["doctor", "golden", "stages", "checkpoints"],
  ["pictures", "metrics", "replay", "data"],
  ["trainer.ts"],
  ["config"],
  ["native"],
  [
    "batch.ts",
    "errors.ts",
    "exclusive.mjs",
    "files.ts",
    "format.ts",
    "lock.ts",
    "random.ts",
    "safetensors.ts",
    "version.ts",
  ],
];

/** @param {string} root @param {string} folder @param {RegExp} kind */
function sources(root, folder, kind) {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => kind.test(name))
    .map((name) => ({ name, text: readFileSync(join(root, folder, name), "utf8") }));
}

/** @param {string} root @returns {string[]} */
export function nativeProblems(root) {
  const layer = (/** @type {string} */ path) => nativeLayers.indexOf(path.split("/")[0] ?? "");
  return sources(root, "native", /\.(cpp|h|cu|cuh)$/).flatMap(({ name, text }) =>
    [...text.matchAll(/^#include "([^"]+)"/gm)].flatMap(([, target = ""]) => {
      if (layer(target) === -1) return [`native/${name} includes "${target}", of no layer`];
      return layer(target) < layer(name) ? [`native/${name} includes ${target}, above it`] : [];
    }),
  );
}

/** Imports of values, by path relative to lib/. @param {string} name @param {string} text */
function imports(name, text) {
  const pattern =
    /^(?:import|export)(?!\s+type\b)[^"';]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/gms;
  return [...text.matchAll(pattern)].map(([, from, dynamic]) =>
    normalize(join(dirname(name), /** @type {string} */ (from ?? dynamic))).replace(/\.js$/, ".ts"),
  );
}

/** @param {string} root @returns {string[]} */
export function libraryProblems(root) {
  const layer = (/** @type {string} */ path) =>
    libraryLayers.findIndex((entries) => entries.includes(path.split("/")[0] ?? ""));
  return sources(root, "lib", /\.m?[jt]s$/).flatMap(({ name, text }) => {
    if (layer(name) === -1) return [`lib/${name} belongs to no layer of scripts/check/arrows.mjs`];
    const targets = imports(name, text);
    const up = targets.filter((target) => layer(target) < layer(name));
    const reach = targets.filter(
      (target) =>
        /^native\/load/.test(target) && name !== "trainer.ts" && !name.startsWith("native/"),
    );
    return [
      ...up.map((target) => `lib/${name} imports lib/${target}, above it`),
      ...reach.map((target) => `lib/${name} imports lib/${target}; only lib/trainer.ts may`),
    ];
  });
}

const file = fileURLToPath(import.meta.url);
if (process.argv[1] !== undefined && relative(process.argv[1], file) === "") {
  const root = dirname(dirname(dirname(file)));
  const problems = [...nativeProblems(root), ...libraryProblems(root)];
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
