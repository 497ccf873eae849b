/**
 * JSON Lines: one object per line, read as a stream.
 */
import { MedcossError } from "../../errors.js";
import { encodingOf, readText } from "./text-encoding.js";
import { type DecodeOptions, decoding, type Table, type TableFormat } from "./types.js";

const NAME = "JSON Lines";
/** Rows whose keys are the columns. */
const ROWS_FOR_COLUMNS = 100;

function fail(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem });
}

async function* readLines(path: string, encoding: string, most: number): AsyncGenerator<string> {
  let rest = "";
  for await (const part of readText(path, encoding)) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() as string;
    if (rest.length > most) fail(`a row over ${most} bytes`);
    yield* lines;
  }
  yield rest;
}

/** A value of JSON as a column's text. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function parseLine(line: string, number: number): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return fail(`line ${number} is not JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail(`line ${number} is not an object`);
  }
  return Object.fromEntries(Object.entries(value).map(([key, cell]) => [key, cellText(cell)]));
}

async function decode(path: string, { limits }: DecodeOptions): Promise<Table> {
  const encoding = await encodingOf(path, NAME);
  async function* rows() {
    let number = 0;
    for await (const line of readLines(path, encoding, limits.rowBytes)) {
      number++;
      if (line.trim() !== "") yield parseLine(line, number);
    }
  }
  const columns = new Set<string>();
  let seen = 0;
  for await (const row of rows()) {
    for (const key of Object.keys(row)) columns.add(key);
    if (++seen === ROWS_FOR_COLUMNS) break;
  }
  if (seen === 0) throw new MedcossError("E_FILE_CONTENT", { problem: "a table without rows" });
  return { kind: "text", columns: [...columns], rows };
}

export const jsonLines: TableFormat = {
  name: NAME,
  kind: "text",
  endings: [".jsonl", ".ndjson"],
  matches: () => false,
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
