/**
 * Runs the command line in a process of its own, from sources or compiled, as the tests themselves run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const compiled = fileURLToPath(new URL("../../lib/cli/main.js", import.meta.url));
const program = existsSync(compiled)
  ? [compiled]
  : ["--import", "tsx", compiled.replace(/\.js$/, ".ts")];

export interface Outcome {
  /** Undefined where a signal ended the process. */
  code: number | undefined;
  signal: NodeJS.Signals | undefined;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  /** Resolves once stderr or stdout has shown the text. */
  shows(text: string): Promise<void>;
  done: Promise<Outcome>;
}

export interface StartOptions {
  /** Whether the process leads a group of its own, so that all of it can be killed at once. */
  group?: boolean;
}

/** Starts `medcoss` with the arguments. */
export function startCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  { group = false }: StartOptions = {},
): Running {
  const child = spawn(process.execPath, [...program, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: group,
  });
  const text = { stdout: "", stderr: "" };
  const waiting = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
      for (const check of waiting) check();
    });
  }
  const done = new Promise<Outcome>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined, ...text });
    });
  });
  const shows = (wanted: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (`${text.stdout}${text.stderr}`.includes(wanted)) {
          waiting.delete(check);
          resolve();
        }
      };
      waiting.add(check);
      done.then(({ stderr }) => reject(new Error(`ended without ${wanted}: ${stderr}`)), reject);
      check();
    });
  return { child, shows, done };
}

/** Runs `medcoss` with the arguments to its end. */
export function runCommandLine(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Outcome> {
  return startCommand(args, env).done;
}
