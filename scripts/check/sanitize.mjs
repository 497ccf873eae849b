/**
 * Native tests with an addon that watches itself: addresses and undefined behaviour, or data races. The last line is
 * `N passed, N failed`; what a sanitizer reports is in build/sanitize/, and fails the test that it belongs to.
 *
 *   node scripts/check/sanitize.mjs                      the addresses, in the tests below
 *   node scripts/check/sanitize.mjs --kind thread        the races
 *   node scripts/check/sanitize.mjs test/native/kmeans   the tests whose path contains one of the words
 *
 * Invariant: LibTorch and Node.js are not instrumented, so what is reported is ours, or passed through us.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { searchLibtorch } from "../../lib/native/libtorch/find.mjs";
import { buildFolder, buildNative } from "../setup/native.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const reports = join(root, "build/sanitize");
const TEST_SECONDS = 300;
const SHOWN_LINES = 60;

/** Of each kind: the runtime that has to be in the process first, its options, and the tests. */
const kinds = {
  address: {
    runtime: "libasan.so",
    // Node.js frees next to nothing when it ends. Tests ask for more memory than there is.
    options: { ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1" },
    tests: [
      ...[
        "accumulate",
        "arguments",
        "contract",
        "crop-resize",
        "distillation",
        "errors",
        "hostile",
      ],
      ...["kmeans", "life-cycle", "random", "resample", "teardown", "worker"],
    ].map((name) => `test/native/${name}.`),
    more: [
      ...["test/native/resample-oracles", "test/safetensors", "test/training/fused-blocks"],
      ...["test/training/gradients", "test/training/save-load", "test/training/skipped-step"],
    ],
  },
  thread: {
    runtime: "libtsan.so",
    // OpenMP's threads meet in ways that the sanitizer cannot see: one for each operation. process.exit() joins none.
    options: {
      TSAN_OPTIONS: "ignore_noninstrumented_modules=1:report_signal_unsafe=0:report_thread_leaks=0",
      OMP_NUM_THREADS: "1",
    },
    tests: ["life-cycle", "teardown", "worker"].map((name) => `test/native/${name}.`),
    more: [],
  },
};

/** The path of a library of the compiler. @param {string} name */
function libraryOf(name) {
  const { stdout } = spawnSync(process.env.CXX ?? "c++", [`-print-file-name=${name}`], {
    encoding: "utf8",
  });
  const path = stdout?.trim() ?? "";
  if (!path.includes("/")) throw new Error(`The compiler has no ${name}; g++ brings it`);
  return path;
}

/** @param {keyof typeof kinds} kind */
function environmentOf(kind) {
  const { runtime, options } = kinds[kind];
  const log = `log_path=${join(reports, "report")}`;
  const common = { UBSAN_OPTIONS: `print_stacktrace=1:${log}`, TAP_TIMEOUT: String(TEST_SECONDS) };
  const watched = Object.entries(options).map(([name, value]) =>
    name.endsWith("_OPTIONS") ? [name, `${value}:${log}`] : [name, value],
  );
  return {
    ...process.env,
    ...common,
    ...Object.fromEntries(watched),
    // The C++ library of LibTorch, whose exceptions the sanitizer follows, is in no other way there early enough.
    LD_PRELOAD: [runtime, "libstdc++.so.6"].map(libraryOf).join(" "),
    MEDCOSS_BINARIES: join(root, buildFolder(kind), "Release"),
  };
}

/** @param {string[]} words */
function testFiles(words) {
  return readdirSync(join(root, "build/js/test"), { recursive: true, encoding: "utf8" })
    .map((name) => `test/${name}`)
    .filter((name) => name.endsWith(".test.js") && words.some((word) => name.includes(word)))
    .sort();
}

/** @param {string} file @param {NodeJS.ProcessEnv} env @returns {Promise<{ ended: string, lines: string[] }>} */
function runTest(file, env) {
  const child = spawn(process.execPath, [join("build/js", file)], {
    ...{ cwd: root, env, timeout: TEST_SECONDS * 1000, killSignal: "SIGKILL" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
  }
  return new Promise((done, fail) => {
    child.on("error", fail).on("close", (code, signal) => {
      const failed = /^\s*not ok .*$/gm;
      done({
        ended: signal ?? (code === 0 ? "" : `code ${code}`),
        lines: text.match(failed) ?? [],
      });
    });
  });
}

/** What sanitizers have written since the last call. */
function takeReports() {
  return readdirSync(reports)
    .filter((name) => name.startsWith("report."))
    .flatMap((name) => {
      const lines = readFileSync(join(reports, name), "utf8").split("\n");
      rmSync(join(reports, name));
      return lines;
    });
}

/** @param {keyof typeof kinds} kind @param {string[]} words */
async function main(kind, words) {
  const { found } = searchLibtorch();
  if (found === undefined) throw new Error("LibTorch was not found. Run: npm run setup");
  await buildNative(root, found.path, kind);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.test.json"], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("The tests do not compile");
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  const env = environmentOf(kind);
  const counts = { passed: 0, failed: 0 };
  for (const file of testFiles(
    words.length > 0 ? words : [...kinds[kind].tests, ...kinds[kind].more],
  )) {
    const start = Date.now();
    const { ended, lines } = await runTest(file, env);
    const found = takeReports();
    const passed = ended === "" && found.length === 0;
    counts[passed ? "passed" : "failed"]++;
    const seconds = ((Date.now() - start) / 1000).toFixed(0);
    console.log(`${passed ? "ok    " : "FAILED"} ${file} (${seconds} s)${ended && `: ${ended}`}`);
    for (const line of [...lines, ...found.slice(0, SHOWN_LINES)]) console.log(`  | ${line}`);
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

const { values, positionals } = parseArgs({
  options: { kind: { type: "string", default: "address" } },
  allowPositionals: true,
});
if (values.kind === "address" || values.kind === "thread") {
  await main(values.kind, positionals);
} else {
  console.error(`Expected address or thread for --kind, received ${values.kind}`);
  process.exitCode = 2;
}
