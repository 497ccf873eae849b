/**
 * The peers' Python: an environment of the benchmark's own, made once from the pinned requirements.
 *
 * Invariant: an environment counts only when its stamp names the current requirements, which is written last.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { inPackage } from "./place.js";

const environment = inPackage("benchmarks/.venv");
const requirements = inPackage("benchmarks/peers/requirements.txt");
const stamp = inPackage("benchmarks/.venv/requirements.stamp");

/** Standard output belongs to the tables. */
function run(executable: string, args: readonly string[]): void {
  const { status, error } = spawnSync(executable, args, { stdio: ["ignore", 2, 2] });
  if (status !== 0) {
    const why = error ? `: ${error.message}` : "";
    const help = "MEDCOSS_BENCH_PYTHON can name an interpreter, --contender medcoss needs none";
    throw new Error(`${executable} ${args.join(" ")} failed${why}. ${help}`);
  }
}

/** Pinned releases as `name==version`. */
function pins(): string[] {
  const lines = readFileSync(requirements, "utf8").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

/** A warning where an interpreter of the user's own has other releases than the pinned ones, or none. */
function differences(python: string): string | undefined {
  const names = pins().map((pin) => pin.split("==")[0] as string);
  const code = [
    "import importlib.metadata as m",
    "def found(n):",
    "    try: return m.version(n).split('+')[0]",
    "    except m.PackageNotFoundError: return 'missing'",
    `print(*(f"{n}=={found(n)}" for n in ${JSON.stringify(names)}))`,
  ].join("\n");
  const { status, stdout, stderr } = spawnSync(python, ["-c", code], { encoding: "utf8" });
  if (status !== 0)
    throw new Error(`MEDCOSS_BENCH_PYTHON=${python} does not fit: ${stderr.trim()}`);
  const other = stdout
    .trim()
    .split(" ")
    .filter((found) => !pins().includes(found));
  return other.length > 0 ? `${python} has ${other.join(", ")}; cases may need more` : undefined;
}

const isMade = () =>
  existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(requirements, "utf8");

/** Whether peers can be started without an environment being made first. */
export const hasPython = () => Boolean(process.env.MEDCOSS_BENCH_PYTHON) || isMade();

/** Which interpreter runs the peers, and what it takes to make it. */
export function describePython(): string {
  const own = process.env.MEDCOSS_BENCH_PYTHON;
  if (own) return `${own}, by MEDCOSS_BENCH_PYTHON`;
  if (isMade()) return environment;
  return `made now, once, in ${environment} (PyTorch and others, about 5 GB); MEDCOSS_BENCH_PYTHON=/path/to/python names one of yours instead`;
}

let chosen: string | undefined;

/** Path of the interpreter; makes the environment on first use. MEDCOSS_BENCH_PYTHON names another one. */
export function peerPython(): string {
  chosen ??= findPython();
  return chosen;
}

function findPython(): string {
  const own = process.env.MEDCOSS_BENCH_PYTHON;
  if (own) {
    const warning = differences(own);
    if (warning) process.stderr.write(`warning: ${warning}\n`);
    return own;
  }
  const python = inPackage("benchmarks/.venv/bin/python");
  if (isMade()) return python;
  const start = performance.now();
  process.stderr.write(`Making the peers' Python environment in ${environment}\n`);
  rmSync(environment, { recursive: true, force: true });
  run("python3", ["-m", "venv", environment]);
  const install = ["-m", "pip", "install", "--disable-pip-version-check", "--requirement"];
  run(python, [...install, requirements]);
  writeFileSync(stamp, readFileSync(requirements, "utf8"));
  process.stderr.write(`Made in ${((performance.now() - start) / 1000).toFixed(0)} s\n`);
  return python;
}
