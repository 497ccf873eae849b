/**
 * Parquet through hyparquet, one row group at a time.
 */
import type { AsyncBuffer, Compressors, FileMetaData } from "hyparquet";
import { MedcossError } from "../../errors.js";
import { cellText } from "./json-lines.js";
import { checkLimit, type DecodeOptions, decoding, type Table, type TableFormat } from "./types.js";

const NAME = "Parquet";
const MAGIC = "PAR1";
/** What the columns of one row group may unpack to. */
const GROUP_BYTES = 2 ** 29;

/** The library reads every column of a group and forgets those that are not in the schema, with their errors. */
function checkColumns({ columns }: FileMetaData["row_groups"][0], known: readonly string[]): void {
  const paths = columns.map((column) => column.meta_data?.path_in_schema ?? []);
  const unique = new Set(paths.map((path) => path.join("\n"))).size === paths.length;
  if (unique && paths.every(([name]) => known.includes(name ?? ""))) return;
  const problem = "its columns are not those of its schema";
  throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem });
}

function checkGroups({ row_groups: groups }: FileMetaData, columns: readonly string[]): void {
  for (const group of groups) checkColumns(group, columns);
  for (const { total_byte_size: bytes, num_rows: rows } of groups) {
    checkLimit(Number(bytes), GROUP_BYTES, "bytes in a row group");
    checkLimit(Number(rows), GROUP_BYTES, "rows in a row group");
  }
}

/** The library's decompressors; its LZ4 fails on pages of no bytes, as columns of lists have them. */
async function decompressors(): Promise<Compressors> {
  const { compressors } = await import("hyparquet-compressors");
  const entries = Object.entries(compressors).map(([name, unpack]) => {
    const checked: typeof unpack = (input, bytes) =>
      bytes === 0 ? new Uint8Array() : unpack(input, bytes);
    return [name, checked];
  });
  return Object.fromEntries(entries);
}

async function* readRows(
  path: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
): AsyncGenerator<Record<string, string>> {
  const { parquetReadObjects } = await import("hyparquet");
  const compressors = await decompressors();
  let rowStart = 0;
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    const part = { file, metadata, compressors, rowStart, rowEnd };
    for (const row of await decoding(NAME, path, () => parquetReadObjects(part))) {
      yield Object.fromEntries(Object.entries(row).map(([key, cell]) => [key, plain(cell)]));
    }
    rowStart = rowEnd;
  }
}

function plain(cell: unknown): string {
  if (typeof cell === "bigint") return String(cell);
  if (cell instanceof Date) return cell.toISOString();
  return typeof cell === "object" && cell !== null ? "" : cellText(cell);
}

async function decode(path: string, _options: DecodeOptions): Promise<Table> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } = await import("hyparquet");
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  checkGroups(metadata, columns);
  if (Number(metadata.num_rows) < 1) {
    throw new MedcossError("E_FILE_CONTENT", { problem: "a table without rows" });
  }
  const rows = () => readRows(path, file, metadata);
  return { kind: "text", columns, rows };
}

export const parquet: TableFormat = {
  name: NAME,
  kind: "text",
  endings: [".parquet"],
  matches: (head) => head.toString("latin1", 0, 4) === MAGIC,
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
