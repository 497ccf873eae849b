/**
 * Makes `gpu-check/`: all that a machine with a GPU and PyTorch needs to check and time this build, without Node.js,
 * compiler or network there. See run.sh for what runs.
 *
 *   npm run gpu:pack [-- --reference DIR]     DIR: a checkout of the published repository, which is timed too
 *
 * Invariant: the folder stays under 60 MiB, and holds nothing that was built from other sources than these.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { binaries, hasLocalBuild } from "../setup/native.mjs";
import { say } from "../setup/report.mjs";
import { compress, packModules } from "./modules.mjs";
import { packStore } from "./store.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const target = join(root, "gpu-check");
/** What is used again by the next packing, and what is copied before it is compressed. */
const kept = join(root, "build/gpu");
const app = join(kept, "app");
const LIMIT = 60 * 2 ** 20;
/** Python caches and source maps say nothing to a GPU. */
const LEFT_OUT = /(\.map|\.d\.ts|\.d\.mts|\.pyc)$|\/(__pycache__|\.venv|\.git|reports)$/;

/** Peers that are not among the packages of a machine with PyTorch: pure Python, without what they need. */
const WHEELS = ["flash-kmeans==0.3.1"];

const { values: flags } = parseArgs({ options: { reference: { type: "string" } } });

/** @param {string} from @param {string} to relative to the app */
function copy(from, to) {
  const filter = (/** @type {string} */ path) => !LEFT_OUT.test(path);
  cpSync(from, join(app, to), { recursive: true, filter });
}

/** Library, benchmarks and checks as JavaScript, the peers, and what they read. */
function copyPrograms() {
  const requirements = "benchmarks/peers/requirements.txt";
  for (const path of ["package.json", "LICENSE", "test/fixtures/golden", requirements]) {
    copy(join(root, path), path);
  }
  const out = join(kept, "js");
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "--project", "scripts/gpu/tsconfig.json", "--outDir", out];
  execFileSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  copy(out, "js");
  copy(join(root, "benchmarks/peers"), "js/benchmarks/peers");
  const wheels = join(kept, "wheels");
  const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, ...WHEELS];
  execFileSync("python3", pip, { stdio: "inherit" });
  copy(wheels, "js/benchmarks/peers/wheels");
}

/** What ptxas said of the kernels, with plain names. */
function copyKernelReports() {
  const folder = join(root, "build/native/cuda");
  const names = readdirSync(folder).filter((name) => name.endsWith(".ptxas.txt"));
  mkdirSync(join(app, "ptxas"));
  for (const name of names) {
    const text = execFileSync("c++filt", { input: readFileSync(join(folder, name)) });
    writeFileSync(join(app, "ptxas", name), text);
  }
}

/** The programs of the published repository; its pictures and tables are not read. @param {string} folder */
function copyReference(folder) {
  cpSync(folder, join(app, "reference"), {
    recursive: true,
    filter: (path) =>
      !/\/\.git$/.test(path) && (statSync(path).isDirectory() || /\.py$/.test(path)),
  });
}

/** An archive that run.sh unpacks, with the digest by which it knows a new one. @param {string} name @param {string} file */
function addArchive(name, file) {
  cpSync(file, join(target, `${name}.tar.xz`));
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  writeFileSync(join(target, `${name}.sha256`), `${digest}\n`);
}

/** @param {string} folder @returns {number} */
const bytesIn = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

async function main() {
  if (!hasLocalBuild(root, binaries)) {
    throw new Error("The kernel library is not built. Run: npm run setup -- --cuda");
  }
  for (const folder of [target, app]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }
  say("Node.js and modules ...");
  addArchive("runtime", packModules(root, kept));
  say("Store of the demo's corpora ...");
  addArchive("store", await packStore(root, kept));
  say("Library, kernels, benchmarks and checks ...");
  copyPrograms();
  for (const name of binaries) {
    copy(join(root, "build/native/Release", name), join("prebuilds/linux-x64", name));
  }
  copyKernelReports();
  if (flags.reference !== undefined) copyReference(flags.reference);
  const archive = join(kept, "app.tar.xz");
  compress(app, archive);
  addArchive("app", archive);
  cpSync(join(root, "scripts/gpu/run.sh"), join(target, "run.sh"));

  const bytes = bytesIn(target);
  if (bytes > LIMIT) throw new Error(`gpu-check/ has ${bytes} bytes; the limit is ${LIMIT}`);
  say(`gpu-check/: ${(bytes / 2 ** 20).toFixed(1)} MiB. On the machine: bash gpu-check/run.sh`);
}

await main().catch((error) => {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
