/**
 * The peer's Python: an environment of the benchmark's own, made once from the pinned requirements.
 *
 * Invariant: an environment counts only when its stamp names the current requirements, which is written last.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { inPackage } from "./place.js";

const environment = inPackage("benchmarks/.venv");
const requirements = inPackage("benchmarks/peers/requirements.txt");
const stamp = inPackage("benchmarks/.venv/requirements.stamp");

function run(executable: string, args: readonly string[]): void {
  const { status, error } = spawnSync(executable, args, {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) {
    throw new Error(`${executable} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
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
  const wanted = readFileSync(requirements, "utf8");
  const python = inPackage("benchmarks/.venv/bin/python");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  process.stderr.write("Making the peer's Python environment (about 5 GB) in benchmarks/.venv\n");
  rmSync(environment, { recursive: true, force: true });
  run("python3", ["-m", "venv", environment]);
  run(python, ["-m", "pip", "install", "--quiet", "--requirement", requirements]);
  writeFileSync(stamp, wanted);
  return python;
}
