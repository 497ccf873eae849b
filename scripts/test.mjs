/**
 * Everything that has to hold, in one command with one verdict: lint, format, types, direction of imports, symbols of the
 * addon, tests with coverage, the package's contents, and the package in use on a bare machine. The last line is
 * `N passed, N failed`.
 *
 *   node scripts/test.mjs                      everything
 *   node scripts/test.mjs lint types           these checks
 *   node scripts/test.mjs unit test/config     the tests whose path contains one of the words, without the coverage gate
 *
 * Invariant: a run that finds nothing to check fails.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { checkCoverage } from "./check/coverage.mjs";
import { openLog } from "./setup/report.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const module = (/** @type {string} */ path) => join(root, "node_modules", path);
const biome = module("@biomejs/biome/bin/biome");
const tsc = module("typescript/bin/tsc");
const JOBS = 2;
const TIMEOUT_SECONDS = 240;

/** @typedef {{ passed: number, failed: number }} Tally */

/**
 * Runs a Node.js program; hands every line of its output to `onLine`.
 * @param {string[]} args @param {(line: string) => void} onLine @returns {Promise<number>} exit code
 */
function node(args, onLine) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", onLine);
  return new Promise((done, fail) => {
    child.on("error", fail).on("close", (code) => done(code ?? 1));
  });
}

/** A check that is one program. @param {string[]} args @returns {() => Promise<Tally>} */
const program = (args) => async () => {
  /** @type {string[]} */
  const lines = [];
  const code = await node(args, (line) => lines.push(line));
  if (code === 0) return { passed: 1, failed: 0 };
  for (const line of lines) console.log(`  | ${line}`);
  return { passed: 0, failed: 1 };
};

/** The compiled test files whose path contains one of the words. @param {string[]} words */
function testFiles(words) {
  return readdirSync(join(root, "build/js/test"), { recursive: true, encoding: "utf8" })
    .map((name) => `build/js/test/${name}`)
    .filter((name) => name.endsWith(".test.js"))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
    .sort();
}

/** Prints a line per test file and, for a failed assertion, what its author wrote about it. */
function tapPrinter() {
  let showing = false;
  const tally = { passed: 0, failed: 0 };
  /** @type {string[]} */
  const empty = [];
  const onLine = (/** @type {string} */ line) => {
    if (/^\s+not ok /.test(line)) showing = true;
    if (/^\s+(not ok|ok|# Subtest|\d+\.\.\d+)/.test(line) && !/^\s+not ok /.test(line))
      showing = false;
    if (showing) console.log(`  | ${line}`);
    const file = /^(not ok|ok) \d+ - (\S+)(?:.*# time=([\d.]+)ms)?/.exec(line);
    if (file) {
      const seconds = (Number(file[3] ?? 0) / 1000).toFixed(1);
      console.log(`  ${file[1] === "ok" ? "ok    " : "FAILED"} ${file[2]} (${seconds} s)`);
    }
    const none = /^ok \d+ - (\S+) # SKIP no tests found/.exec(line);
    if (none) empty.push(none[1] ?? "");
    const summary = /^# \{ total: (\d+)(.*)\}/.exec(line);
    if (summary) {
      tally.failed = Number(/fail: (\d+)/.exec(summary[2] ?? "")?.[1] ?? 0);
      tally.passed = Number(/pass: (\d+)/.exec(summary[2] ?? "")?.[1] ?? 0);
    }
  };
  return { tally, empty, onLine };
}

/** @param {string[]} words @returns {Promise<Tally>} */
async function unit(words) {
  const compiled = await program([tsc, "--project", "tsconfig.test.json"])();
  if (compiled.failed > 0) return compiled;
  const files = testFiles(words);
  if (files.length === 0) {
    console.log("  | no test file was found");
    return { passed: 0, failed: 1 };
  }
  const log = openLog(root, "unit");
  const { tally, empty, onLine } = tapPrinter();
  const options = ["--reporter=tap", `--jobs=${JOBS}`, `--timeout=${TIMEOUT_SECONDS}`];
  const report = ["--allow-incomplete-coverage", "--coverage-report=json-summary"];
  const code = await node(
    [module("tap/dist/esm/run.mjs"), ...options, ...report, "--coverage-report=html", ...files],
    (line) => {
      log.stream.write(`${line}\n`);
      onLine(line);
    },
  );
  if ((code !== 0 && tally.failed === 0) || tally.passed === 0) {
    console.log(`  | the test runner ended with code ${code}; see ${log.path}`);
    tally.failed += 1;
  }
  for (const file of empty) console.log(`  | no test was run in ${file}`);
  tally.failed += empty.length;
  if (words.length > 0) return tally;
  const summary = join(root, ".tap/report/coverage-summary.json");
  const { problems, notes } = checkCoverage(root, summary);
  for (const line of notes) console.log(`  | coverage: ${line}`);
  for (const line of problems) console.log(`  | not covered: ${line}`);
  return problems.length > 0
    ? { ...tally, failed: tally.failed + 1 }
    : { ...tally, passed: tally.passed + 1 };
}

/** Makes the package and uses it on a bare machine beside this one. @returns {Promise<Tally>} */
async function install() {
  const released = await program(["scripts/release.mjs", "--dirty"])();
  if (released.failed > 0) return released;
  const tally = { passed: 0, failed: 1 };
  const code = await node(["scripts/check/bare.mjs", "--demo", "--node", "26,20"], (line) => {
    console.log(`  ${line}`);
    const summary = /^(\d+) passed, (\d+) failed$/.exec(line);
    if (summary) Object.assign(tally, { passed: Number(summary[1]), failed: Number(summary[2]) });
  });
  return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}

/** @type {Record<string, (words: string[]) => Promise<Tally>>} */
const checks = {
  lint: program([biome, "lint", "--error-on-warnings"]),
  format: program([biome, "format"]),
  "cpp-format": program(["scripts/check/cpp-format.mjs"]),
  types: program([tsc, "--project", "tsconfig.json"]),
  arrows: program(["scripts/check/arrows.mjs"]),
  symbols: program(["scripts/check/symbols.mjs"]),
  unit,
  package: program(["scripts/check/package.mjs"]),
  install,
};

async function main() {
  const words = process.argv.slice(2);
  const named = words.filter((word) => word in checks);
  const rest = words.filter((word) => !(word in checks));
  const total = { passed: 0, failed: 0 };
  for (const name of named.length > 0 ? named : Object.keys(checks)) {
    const start = Date.now();
    console.log(`${name} ...`);
    const { passed, failed } = await /** @type {(words: string[]) => Promise<Tally>} */ (
      checks[name]
    )(rest);
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`${failed === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
    total.passed += passed;
    total.failed += failed;
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

await main();
