/**
 * The checks that take too long for every change: all fuzz targets with many inputs. The last line is
 * `N passed, N failed`; an input that failed is in build/fuzz/, under its target, seed and number.
 *
 *   node scripts/check/full.mjs                          20,000 inputs over all targets
 *   node scripts/check/full.mjs --inputs 100000          more of them
 *   node scripts/check/full.mjs --target nrrd --seed 7   one target, other inputs
 */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Math.floor(Date.now() / 1000)) },
    target: { type: "string" },
  },
});

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

async function main() {
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
  console.log(`seed ${seed}, ${targets.length} targets`);
  const counts = { passed: 0, failed: 0 };
  await fuzz({
    targets,
    inputs: Math.ceil(total / targets.length),
    seed,
    processes: Math.min(targets.length, availableParallelism()),
    keep: join(root, "build/fuzz"),
    onTarget(/** @type {import("../../test/fuzz/run.js").TargetReport} */ report) {
      const { target, inputs, seconds, outcomes, failures } = report;
      const state = failures.length === 0 ? "ok    " : "FAILED";
      console.log(
        `${state} ${target}: ${inputs} inputs, ${seconds.toFixed(1)} s: ${listed(outcomes)}`,
      );
      for (const failure of failures) console.log(`  | ${failure}`);
      counts[failures.length === 0 ? "passed" : "failed"]++;
    },
  });
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

await main();
