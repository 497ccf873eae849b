/**
 * Checks of LibTorch and the addon. The addon is loaded in a child process: a broken library then costs that process.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MedcossError } from "../errors.js";
import { findLibtorch, type Libtorch, missingPip } from "../native/libtorch.js";
import type { Answer } from "./probe.js";
import type { Check } from "./types.js";

const run = promisify(execFile);

const REINSTALL = "Reinstall medcoss; in a checkout: npm run setup";
/** What is said of an addon that is there; LibTorch has a check of its own. */
const WAITS = "is there; whether it loads can be told once LibTorch is there";

/** A remedy for which pip is needed, with what comes first where there is none. */
function withPip(remedy: string, env: NodeJS.ProcessEnv): string {
  const missing = missingPip(env);
  if (missing === undefined) return remedy;
  const then = `${remedy.charAt(0).toLowerCase()}${remedy.slice(1)}`;
  const other = "Without Python: its --wheel FILES, see docs/native-build.md.";
  return `${missing.message}. ${missing.remedy}; then ${then}. ${other}`;
}

/** Where LibTorch is, and how it was found. */
export function checkLibtorch(env: NodeJS.ProcessEnv = process.env): {
  libtorch?: Libtorch;
  check: Check;
} {
  const name = "LibTorch";
  try {
    const libtorch = findLibtorch(env);
    const set = libtorch.cuda ? "with GPU libraries" : "CPU";
    const found = `${libtorch.version}, ${set}, at ${libtorch.path} (from ${libtorch.how})`;
    return { libtorch, check: { name, state: "ok", found } };
  } catch (error) {
    if (!(error instanceof MedcossError)) throw error;
    const remedy = withPip(error.remedy, env);
    return { check: { name, state: "problem", found: error.message, remedy } };
  }
}

/** Loads the addon elsewhere and tells what it says about itself. */
export async function checkAddon(env: NodeJS.ProcessEnv = process.env): Promise<Check> {
  const name = "addon";
  const probe = fileURLToPath(new URL("./probe.js", import.meta.url));
  try {
    const { stdout } = await run(process.execPath, [...process.execArgv, probe], {
      env,
      timeout: 60_000,
    });
    const answer = JSON.parse(stdout) as Answer;
    if ("found" in answer) return { name, state: "ok", found: answer.found };
    const { code, problem, remedy } = answer;
    if (code.startsWith("E_LIBTORCH_")) return { name, state: "note", found: WAITS };
    return { name, state: "problem", found: problem, remedy };
  } catch (error) {
    const { signal, code } = error as { signal?: string; code?: number | string };
    const found = `loading it ended the process (${signal ?? `code ${code}`})`;
    return { name, state: "problem", found, remedy: REINSTALL };
  }
}
