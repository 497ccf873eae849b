/**
 * Runs a tool with its output in a log file and its progress on one line.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { openLog, progress, SetupError } from "./report.mjs";

const SHOWN_LINES = 30;

/**
 * @typedef {object} Step
 * @property {string} name of the log file
 * @property {string} label for people
 * @property {string} command
 * @property {string[]} args
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => string | undefined} [note] the part of an output line that tells how far it is
 */

/** @param {string} root @param {Step} step */
export async function runStep(root, { name, label, command, args, env = process.env, note }) {
  const log = openLog(root, name);
  const bar = progress(label);
  /** @type {string[]} */
  const last = [];
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      log.stream.write(`${line}\n`);
      last.push(line);
      if (last.length > SHOWN_LINES) last.shift();
      const text = note?.(line);
      if (text !== undefined) bar.update(text);
    });
  }
  const code = await new Promise((done, fail) => child.on("error", fail).on("close", done));
  log.stream.end();
  if (code !== 0) {
    const line = `E_SETUP: ${label} failed with code ${code}. All it printed is in ${log.path}`;
    throw new SetupError(line, last);
  }
  bar.done();
}
