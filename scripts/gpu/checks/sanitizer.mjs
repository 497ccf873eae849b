/** The operations under compute-sanitizer, where the machine has it: no access out of bounds, no race in shared memory. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Part } from "../part.mjs";

const part = new Part("sanitizer");
const program = fileURLToPath(new URL("./ops.mjs", import.meta.url));
const places = ["compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer"];
const tool = places.find((place) => spawnSync(place, ["--version"]).status === 0);

for (const check of ["memcheck", "racecheck"]) {
  if (tool === undefined) {
    part.skip(check, "compute-sanitizer is not there");
    continue;
  }
  const own = [process.execPath, program, `ops under ${check}`];
  const args = ["--tool", check, "--error-exitcode", "9", ...own];
  const { status, stdout } = spawnSync(tool, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const lines = stdout.split("\n").filter((line) => line.startsWith("====="));
  part.claim(status === 0, check, lines.at(-1) ?? `exit code ${status}`);
  if (status !== 0) console.log(lines.slice(0, 40).join("\n"));
}
