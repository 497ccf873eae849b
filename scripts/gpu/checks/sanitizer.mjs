/**
 * Operations and k-means under compute-sanitizer, where the machine has it: no access out of bounds, no race in shared
 * memory, and results that are right all the same. Races in kernels of cuDNN and CUTLASS, whose barriers the tool does
 * not know, are listed apart.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { shortName } from "../kernels.mjs";
import { Part, results } from "../part.mjs";
import { sanitizerFindings } from "../sanitizer-text.mjs";

const part = new Part("sanitizer");
const places = ["compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer"];
const tool = places.find((place) => spawnSync(place, ["--version"]).status === 0);

/** Exit code where the tool has found something. */
const FOUND = 9;
const SHOWN = 40;

/** @typedef {{ code: number | string, stdout: string }} Ended */

/** A part's program under the tool; it leaves its own findings under `name`. @param {string} program @param {string} name @param {string} check @param {string} tool */
function run(program, name, check, tool) {
  const own = [process.execPath, fileURLToPath(new URL(program, import.meta.url)), name];
  const args = ["--tool", check, "--print-limit", "0", "--error-exitcode", String(FOUND), ...own];
  return promisify(execFile)(tool, args, { maxBuffer: 1 << 28 }).then(
    ({ stdout }) => /** @type {Ended} */ ({ code: 0, stdout }),
    (error) => /** @type {Ended} */ (error),
  );
}

/** Why the watched program's own claims do not hold; undefined where they do. @param {string} name */
function wrongResult(name) {
  const file = join(results, `${name}.json`);
  /** @type {import("../part.mjs").Findings} */
  const { claims } = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { claims: [] };
  const wrong = claims.find(({ state }) => state === "FAILED");
  if (wrong) return `${wrong.what}: ${wrong.detail}`;
  return claims.some(({ state }) => state === "ok") ? undefined : "nothing was compared";
}

/** @param {string} program @param {string} check @param {string} tool */
async function watch(program, check, tool) {
  const name = `${program} under ${check}`;
  const { code, stdout } = await run(`./${program}.mjs`, name, check, tool);
  const { summary, told, ours, theirs } = sanitizerFindings(stdout);
  for (const { kernel, places } of theirs)
    part.row("races in kernels of libraries", { under: name, kernel: shortName(kernel), places });
  const apart = theirs.reduce((sum, one) => sum + one.places, 0);
  // Every finding is a race in a library's kernel.
  const clean = (code === 0 || code === FOUND) && ours.length === 0 && told === apart;
  const wrong = wrongResult(name);
  const detail = summary || `exit code ${code}`;
  const where = apart > 0 ? `; ${apart} places, none in a kernel of ours` : "";
  part.claim(clean && wrong === undefined, name, clean ? (wrong ?? `${detail}${where}`) : detail);
  if (clean) return;
  for (const { kernel, places } of ours) console.log(`${places} in ${kernel}`);
  const lines = stdout.split("\n").filter((line) => line.startsWith("====="));
  console.log(lines.slice(0, SHOWN).join("\n"));
}

const watches = ["ops", "kmeans"].flatMap((program) =>
  ["memcheck", "racecheck"].map((check) => /** @type {const} */ ([program, check])),
);
if (tool === undefined)
  for (const [program, check] of watches)
    part.skip(`${program} under ${check}`, "there is no compute-sanitizer");
else
  await Promise.all(
    watches.map(([program, check]) =>
      part.attempt(`${program} under ${check}`, () => watch(program, check, tool)),
    ),
  );
