/**
 * The operations under compute-sanitizer, where the machine has it: no access out of bounds, no race in shared memory.
 * Races in kernels of cuDNN and CUTLASS, whose barriers the tool does not know, are counted apart.
 */
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Part } from "../part.mjs";

const part = new Part("sanitizer");
const program = fileURLToPath(new URL("./ops.mjs", import.meta.url));
const places = ["compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer"];
const tool = places.find((place) => spawnSync(place, ["--version"]).status === 0);

/** Exit code where the tool has found something. */
const FOUND = 9;
const OURS = "medcoss::";

/** @param {string} check @param {string} tool */
async function watch(check, tool) {
  const own = [process.execPath, program, `ops under ${check}`];
  const args = ["--tool", check, "--print-limit", "0", "--error-exitcode", String(FOUND), ...own];
  const { code, stdout } = await promisify(execFile)(tool, args, { maxBuffer: 1 << 28 }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error) => /** @type {{ code: number | string, stdout: string }} */ (error),
  );
  const lines = stdout.split("\n").filter((line) => line.startsWith("====="));
  const races = lines.filter((line) => line.includes("Race reported between"));
  const ours = races.filter((line) => line.includes(OURS));
  const theirs = races.length - ours.length;
  const holds = code === 0 || (code === FOUND && ours.length === 0 && theirs > 0);
  const detail = lines.at(-1)?.replace(/^=+ /, "") ?? `exit code ${code}`;
  const apart = theirs > 0 ? `; ${theirs} places, none in a kernel of ours` : "";
  part.claim(holds, check, holds ? `${detail}${apart}` : detail);
  if (!holds) console.log([...ours, ...lines].slice(0, 40).join("\n"));
}

const checks = ["memcheck", "racecheck"];
if (tool === undefined)
  for (const check of checks) part.skip(check, "there is no compute-sanitizer");
else await Promise.all(checks.map((check) => part.attempt(check, () => watch(check, tool))));
