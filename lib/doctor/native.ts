/**
 * Checks of LibTorch and the addon. The addon is loaded in a child process: a broken library then costs that process.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MedcossError } from "../errors.js";
import { findLibtorch, type Libtorch } from "../native/libtorch.js";
import type { Check } from "./types.js";

const run = promisify(execFile);

function failure(name: string, error: unknown): Check {
  if (!(error instanceof MedcossError)) throw error;
  return { name, state: "problem", found: error.message, remedy: error.remedy };
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
    return { check: failure(name, error) };
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
    const answer = JSON.parse(stdout) as { found?: string; problem?: string; remedy?: string };
    if (answer.found !== undefined) return { name, state: "ok", found: answer.found };
    const { problem = "", remedy = "" } = answer;
    return { name, state: "problem", found: problem, remedy };
  } catch (error) {
    const { signal, code } = error as { signal?: string; code?: number | string };
    const found = `loading it ended the process (${signal ?? `code ${code}`})`;
    return { name, state: "problem", found, remedy: "Build it again: npm run setup" };
  }
}
