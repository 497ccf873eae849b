/**
 * Tables of reports: comma, semicolon or tab separated, with a header row; read as a stream, row by row.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { CsvError, parse } from "csv-parse";
import { MedcossError } from "../../errors.js";
import { type DecodeOptions, decoding, type Table, type TableFormat } from "./types.js";

const NAME = "CSV";
const HEAD_BYTES = 2 ** 16;

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The separator that the header row has most of. */
function separatorOf(head: string): string {
  const row = (head.split(/\r?\n/)[0] as string).replace(/"[^"]*"/g, "");
  const count = (separator: string) => row.split(separator).length;
  return [",", ";", "\t"].reduce((a, b) => (count(b) > count(a) ? b : a));
}

async function* readRows(
  path: string,
  delimiter: string,
  rowBytes: number,
): AsyncGenerator<Record<string, string>> {
  const parser = parse({
    bom: true,
    columns: (names: string[]) => names.map((name) => name.trim()),
    delimiter,
    max_record_size: rowBytes,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  });
  const raw = createReadStream(path, { highWaterMark: 2 ** 18 });
  raw.on("error", (error) => parser.destroy(error));
  try {
    for await (const row of raw.pipe(parser)) yield row;
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const problem =
      cause.code === "CSV_MAX_RECORD_SIZE" ? `a row over ${rowBytes} bytes` : cause.message;
    throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem }, { cause });
  } finally {
    raw.destroy();
  }
}

async function decode(path: string, options: DecodeOptions): Promise<Table> {
  const head = await readHead(path);
  if (head.includes(0)) {
    throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem: "it is not text" });
  }
  const delimiter = separatorOf(head.toString("utf8"));
  const rows = () => readRows(path, delimiter, options.limits.rowBytes);
  for await (const first of rows()) return { kind: "text", columns: Object.keys(first), rows };
  throw new MedcossError("E_FILE_CONTENT", { problem: "a table without rows" });
}

export const csv: TableFormat = {
  name: NAME,
  kind: "text",
  endings: [".csv", ".tsv"],
  matches: () => false,
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
