/**
 * What every command shares: one guard that turns errors into one line and an exit code, tables and progress.
 *
 * Invariant: results go to stdout, everything else to stderr; only `runCommand` sets an exit code for an error.
 */
import type { Command } from "commander";
import { MedcossError } from "../errors.js";

export { counted, formatBytes, formatDuration, formatRate } from "../format.js";

let debug = false;

/** Whether errors are printed with their stack. */
export function setDebug(on: boolean): void {
  debug = on;
}

let running: Command | undefined;

/** The command whose options an error may be about. */
export function setCommand(command: Command): void {
  running = command;
}

/** The flag that a field was given with, or that would give it where it is missing; undefined for none. */
function flagOf({ field, problem }: MedcossError["values"]): string | undefined {
  const [name = ""] = String(field).split(".");
  const option = running?.options.find((each) => each.attributeName() === name);
  const given = running?.getOptionValueSource(name) === "cli";
  return given || problem === "is missing" ? option?.long : undefined;
}

/** An error about a field as one about its flag. */
function withFlag(error: MedcossError): MedcossError {
  const flag = error.code === "E_CONFIG" ? flagOf(error.values) : undefined;
  if (flag === undefined) return error;
  const field = String(error.values.field).replace(/^[^.]+(\.\d+)?/, flag);
  return new MedcossError("E_CONFIG", { ...error.values, field }, { cause: error });
}

const systemProblems: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ENOENT: "no such file or folder",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "it is a folder",
};

/** System calls that only look. */
const readingCalls = new Set([
  "access",
  "lstat",
  "read",
  "readlink",
  "realpath",
  "scandir",
  "stat",
]);

/** Any thrown value as an error of the registry. */
export function toMedcossError(error: unknown): MedcossError {
  if (error instanceof MedcossError) return error;
  const problem = error instanceof Error ? error.message : String(error);
  const { code, path: named, syscall = "" } = (error ?? {}) as NodeJS.ErrnoException;
  const path = named ?? "the output";
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new MedcossError("E_DISK_FULL", { path }, { cause: error });
  }
  const known = code ? systemProblems[code] : undefined;
  if (known && readingCalls.has(syscall)) {
    const what = named === undefined ? known : `${known} (${named})`;
    return new MedcossError("E_FILE_UNREADABLE", { problem: what }, { cause: error });
  }
  if (known) return new MedcossError("E_WRITE", { path, problem: known }, { cause: error });
  return new MedcossError("E_INTERNAL", { problem }, { cause: error });
}

/** Prints an error as one line, with its stack under `--debug`, and returns the exit code it asks for. */
export function reportError(error: unknown): number {
  const known = withFlag(toMedcossError(error));
  process.stderr.write(`${known.toLine().replace(/\s*\n\s*/g, " ")}\n`);
  if (debug) {
    const origin = known.cause instanceof Error ? known.cause : known;
    process.stderr.write(`${origin.stack}\n`);
  }
  return known.exitCode;
}

/** Runs a command's action; an error becomes one line on stderr and an exit code. */
export async function runCommand(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    process.exitCode = reportError(error);
  }
}

/** A number where the text is one; anything else is left for the schema to refuse. */
export const numeric = (text: string): number | string =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);

/** The values of an option that may be repeated. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

export type TableRow = Record<string, string | number | undefined>;

function cell(value: string | number | undefined): string {
  if (value === undefined) return "-";
  if (typeof value === "string" || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(4);
}

/** Lines of a table whose columns are the keys of the first row; numbers are aligned right. */
export function tableLines(rows: readonly TableRow[]): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const text = rows.map((row) => columns.map((column) => cell(row[column])));
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...text.map((cells) => (cells[i] as string).length)),
  );
  const right = columns.map((column) => rows.some((row) => typeof row[column] === "number"));
  const line = (cells: readonly string[]) =>
    cells
      .map((value, i) =>
        right[i] ? value.padStart(widths[i] as number) : value.padEnd(widths[i] as number),
      )
      .join("  ")
      .trimEnd();
  return [line(columns), line(widths.map((width) => "-".repeat(width))), ...text.map(line)];
}

/** Prints a table to stdout; nothing for no rows. */
export function printTable(rows: readonly TableRow[]): void {
  if (rows.length > 0) process.stdout.write(`${tableLines(rows).join("\n")}\n`);
}

/** Prints a value as JSON to stdout, for programs that read it. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export interface Progress {
  update(done: number, note?: string): void;
  stop(): void;
}

const BAR_WIDTH = 24;
const LINE_EVERY_MS = 5000;
const REDRAW_EVERY_MS = 80;

function progressLine(done: number, total: number, label: string, note: string): string {
  const share = total > 0 ? Math.min(1, done / total) : 1;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}`;
  return `${label.padEnd(10)} ${bar} ${done}/${total}${note ? `  ${note}` : ""}`;
}

/** Progress on stderr: a bar that redraws itself on a terminal, otherwise a plain line every few seconds. */
export function progress(total: number, label: string): Progress {
  const terminal = process.stderr.isTTY === true;
  let shown = terminal ? 0 : Date.now();
  let last = "";
  let pending = false;
  const draw = () => {
    process.stderr.write(terminal ? `\r\x1b[2K${last}` : `${last}\n`);
    shown = Date.now();
    pending = false;
  };
  return {
    update(done, note = "") {
      const line = progressLine(done, total, label, note);
      pending ||= line !== last;
      last = line;
      if (Date.now() - shown >= (terminal ? REDRAW_EVERY_MS : LINE_EVERY_MS)) draw();
    },
    stop() {
      if (pending) draw();
      if (terminal && last !== "") process.stderr.write("\n");
      last = "";
    },
  };
}
