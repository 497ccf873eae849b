/**
 * The checks that take too long for every change: all fuzz targets with many inputs, native tests under sanitizers, the
 * package on a bare machine under four releases of Node.js, the documentation's site. The last line is
 * `N passed, N failed`; an input that failed is in build/fuzz/, under its target, seed and number.
 *
 *   node scripts/check/full.mjs                          everything, with 20,000 inputs over all targets
 *   node scripts/check/full.mjs --report FILE            the same; what it says goes into a Markdown file, too
 *   node scripts/check/full.mjs --inputs 100000          more inputs
 *   node scripts/check/full.mjs --target nrrd --seed 7   one fuzz target alone, other inputs
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Math.floor(Date.now() / 1000)) },
    target: { type: "string" },
    report: { type: "string" },
  },
});

/** @type {string[]} */
const lines = [];
const counts = { passed: 0, failed: 0 };

/** @param {string} line */
function say(line) {
  console.log(line);
  lines.push(line);
}

/** A whole number from 1 on, or the end. @param {string} name @param {string} text */
function whole(name, text) {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  console.error(`Expected a whole number for --${name}, received ${text}`);
  process.exit(2);
}

function compile() {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "--project", "tsconfig.test.json"];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}

/** @param {Record<string, number>} outcomes */
const listed = (outcomes) =>
  Object.entries(outcomes)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ");

async function fuzzAll() {
  const seed = whole("seed", values.seed);
  const total = whole("inputs", values.inputs);
  compile();
  const { fuzz } = await import(join(root, "build/js/test/fuzz/run.js"));
  const { targetNames } = await import(join(root, "build/js/test/fuzz/target.js"));
  const targets = values.target === undefined ? targetNames : [values.target];
  if (!targets.every((/** @type {string} */ name) => targetNames.includes(name))) {
    console.error(`Expected a target of ${targetNames.join(", ")}, received ${values.target}`);
    process.exit(2);
  }
  say(`fuzzing: seed ${seed}, ${targets.length} targets`);
  await fuzz({
    targets,
    inputs: Math.ceil(total / targets.length),
    seed,
    processes: Math.min(targets.length, availableParallelism()),
    keep: join(root, "build/fuzz"),
    onTarget(/** @type {import("../../test/fuzz/run.js").TargetReport} */ report) {
      const { target, inputs, seconds, outcomes, failures } = report;
      const state = failures.length === 0 ? "ok    " : "FAILED";
      say(`${state} ${target}: ${inputs} inputs, ${seconds.toFixed(1)} s: ${listed(outcomes)}`);
      for (const failure of failures) say(`  | ${failure}`);
      counts[failures.length === 0 ? "passed" : "failed"]++;
    },
  });
}

/** A check that is a program of its own: its lines, and what it counted, or 1. @param {string} name @param {string[]} command */
function run(name, [program = "", ...args]) {
  const start = Date.now();
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  const printed = stdout.trimEnd().split("\n");
  const tally = /^(\d+) passed, (\d+) failed$/.exec(printed.at(-1) ?? "");
  for (const line of tally ? printed.slice(0, -1) : []) say(line);
  if (status !== 0) for (const line of stderr.trimEnd().split("\n").slice(-10)) say(`  | ${line}`);
  const counted = tally ? Number(tally[2]) : 0;
  counts.passed += tally ? Number(tally[1]) : status === 0 ? 1 : 0;
  counts.failed += status === 0 ? counted : Math.max(1, counted);
  say(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
}

async function main() {
  await fuzzAll();
  if (values.target === undefined) {
    const sanitize = [process.execPath, "scripts/check/sanitize.mjs"];
    run("addresses and undefined behaviour", sanitize);
    run("release", [process.execPath, "scripts/release.mjs", "--dirty"]);
    const releases = ["--demo", "--node", "20,22,24,26"];
    run("bare machine", [process.execPath, "scripts/check/bare.mjs", ...releases]);
    run("site", ["npm", "run", "site"]);
  }
  const verdict = `${counts.passed} passed, ${counts.failed} failed`;
  if (values.report !== undefined) {
    const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node.js ${process.version}`;
    const head = `# npm run check:full, ${new Date().toISOString().slice(0, 10)}\n\n${machine}: ${verdict}.\n`;
    writeFileSync(values.report, `${head}\n\`\`\`\n${lines.join("\n")}\n\`\`\`\n`);
  }
  console.log(verdict);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

await main();
