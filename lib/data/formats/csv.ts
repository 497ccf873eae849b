/**
 * Tables of reports: comma, semicolon or tab separated, with a header row; read as a stream, row by row.
 */
import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { MedcossError } from "../../errors.js";
import { encodingOf, readText } from "./text-encoding.js";
import { type DecodeOptions, decoding, type Table, type TableFormat } from "./types.js";

const NAME = "CSV";

/** The separator that the header row has most of. */
function separatorOf(head: string): string {
  const row = (head.split(/\r\n|\n|\r/)[0] as string).replace(/"[^"]*"/g, "");
  const count = (separator: string) => row.split(separator).length;
  return [",", ";", "\t"].reduce((a, b) => (count(b) > count(a) ? b : a));
}

async function* readRows(
  path: string,
  encoding: string,
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
  const raw = Readable.from(readText(path, encoding));
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

async function readStart(path: string, encoding: string): Promise<string> {
  for await (const part of readText(path, encoding)) return part;
  return "";
}

async function decode(path: string, options: DecodeOptions): Promise<Table> {
  const encoding = await encodingOf(path, NAME);
  const delimiter = separatorOf(await readStart(path, encoding));
  const rows = () => readRows(path, encoding, delimiter, options.limits.rowBytes);
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
