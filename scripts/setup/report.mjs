/**
 * What the set-up says, all of it on stderr, so that stdout belongs to the command that runs afterwards.
 */
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";

const terminal = process.stderr.isTTY === true;

/** @param {string} line */
export const say = (line) => void process.stderr.write(`${line}\n`);

/** A step that was asked for and could not be done, with the lines that tell why. */
export class SetupError extends Error {
  /** @param {string} line @param {string[]} [details] */
  constructor(line, details = []) {
    super(line);
    this.details = details;
  }
}

/** @param {string} tool @param {string} install */
export const missing = (tool, install) =>
  new SetupError(`E_TOOL_MISSING: ${tool} is missing. ${install}`);

/** One line that replaces itself on a terminal; elsewhere a line every ten seconds. @param {string} label */
export function progress(label) {
  const start = Date.now();
  let shown = 0;
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(0)} s`;
  say(`${label} ...`);
  return {
    /** @param {string} note */
    update(note) {
      if (Date.now() - shown < (terminal ? 100 : 10_000)) return;
      shown = Date.now();
      process.stderr.write(terminal ? `\r\x1b[2K  ${note}` : `  ${note} (${seconds()})\n`);
    },
    done() {
      process.stderr.write(`${terminal ? "\r\x1b[2K" : ""}  done in ${seconds()}\n`);
    },
  };
}

/** The file that takes what tools print, beside what they build. @param {string} root @param {string} name */
export function openLog(root, name) {
  const folder = join(root, "build", "logs");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.log`);
  return { path, stream: createWriteStream(path) };
}
