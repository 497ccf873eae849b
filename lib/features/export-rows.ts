/**
 * Rows of a buffer's reports, read again from the tables that the store was packed from: a store keeps tokens, not text.
 *
 * Invariant: a table is known by its content, so a row number means the row that was packed.
 */
import { packSchema } from "../config/pack.js";
import { formatFor } from "../data/formats/index.js";
import type { Table } from "../data/formats/types.js";
import { fileDigest } from "../data/shard.js";
import { MedcossError } from "../errors.js";
import type { Buffer } from "../replay/buffer-file.js";
import type { RecordSource } from "./sources.js";

type Row = Record<string, string>;

interface Found {
  /** Columns of all tables, in order of appearance. */
  columns: Set<string>;
  /** By digest of the table and number of the row. */
  rows: Map<string, { row: Row; order: number }>;
}

const DIGEST_DIGITS = 32;
const key = (digest: string, row: number) => `${digest} ${row}`;

function refuse(modality: string, problem: string): never {
  throw new MedcossError("E_BUFFER_SOURCES", { modality, problem });
}

async function openTable(path: string): Promise<Table> {
  const sources = [{ modality: "report", recipe: "report" as const, path }];
  const options = packSchema.parse({ out: "-", sources });
  return (await formatFor(path, "text")).decode(path, options);
}

/** Takes the wanted rows of one table over. */
async function readTable(path: string, wanted: ReadonlySet<string>, found: Found): Promise<void> {
  const table = await openTable(path);
  const digest = (await fileDigest(path)).slice(0, DIGEST_DIGITS);
  let number = 0;
  for await (const row of table.rows()) {
    const name = key(digest, number++);
    if (!wanted.has(name) || found.rows.has(name)) continue;
    found.rows.set(name, { row, order: found.rows.size });
    for (const column of table.columns) found.columns.add(column);
  }
}

const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function csv(columns: readonly string[], rows: readonly Row[]): string {
  const lines = rows.map((row) => columns.map((column) => quoted(row[column] ?? "")).join(","));
  return `${[columns.map(quoted).join(","), ...lines].join("\n")}\n`;
}

/** The key of each sample's row, in the order of the samples. */
function keysOf(
  { modality, samples }: Buffer,
  sources: ReadonlyMap<number, RecordSource>,
): string[] {
  return samples.map(({ record }) => {
    const { digest, row } = sources.get(record) ?? {};
    if (digest !== undefined && row !== undefined) return key(digest, row);
    return refuse(modality, `the store does not name record ${record}`);
  });
}

/** Reads a table as `readTable` does; what is wrong with it is told with its path. */
async function readNamed(
  modality: string,
  path: string,
  wanted: ReadonlySet<string>,
  found: Found,
): Promise<void> {
  try {
    await readTable(path, wanted, found);
  } catch (error) {
    if (!(error instanceof MedcossError) || !error.code.startsWith("E_FILE_")) throw error;
    const problem = `${path}: ${error.message}`;
    throw new MedcossError("E_BUFFER_SOURCES", { modality, problem }, { cause: error });
  }
}

/** CSV of the rows, cluster by cluster and in table order inside a cluster. Throws E_BUFFER_SOURCES. */
export async function selectedRows(
  buffer: Buffer,
  sources: ReadonlyMap<number, RecordSource>,
  tables: readonly string[],
): Promise<{ text: string; entries: number }> {
  const { modality, samples } = buffer;
  if (tables.length === 0) refuse(modality, "give the table of the reports with --reports");
  const keys = keysOf(buffer, sources);
  const found: Found = { columns: new Set(), rows: new Map() };
  const wanted = new Set(keys);
  for (const path of tables) await readNamed(modality, path, wanted, found);
  const missing = keys.filter((name) => !found.rows.has(name)).length;
  if (missing > 0) {
    const problem = `${missing} of ${keys.length} rows are in none of the tables, or these have changed`;
    refuse(modality, problem);
  }
  const rows = samples
    .map(({ cluster }, i) => ({ cluster, ...found.rows.get(keys[i] as string) }))
    .sort((a, b) => a.cluster - b.cluster || (a.order as number) - (b.order as number))
    .map(({ row }) => row as Row);
  return { text: csv([...found.columns], rows), entries: rows.length };
}
