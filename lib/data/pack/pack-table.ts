/** Packs reports: the rows of tables, and texts. */
import { MedcossError } from "../../errors.js";
import { formatFor } from "../formats/index.js";
import type { Table } from "../formats/types.js";
import {
  cleanReport,
  countWords,
  guessColumns,
  type ReportColumns,
  rawText,
} from "../preprocess/report.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer.js";
import type { Packer } from "./packer.js";
import type { RecordNote, Settings } from "./protocol.js";
import { sideOf } from "./split.js";

/** Rows of a table that stay together when several processes share it. */
const BLOCK = 256;

let loaded: { path: string; tokenizer: Promise<Tokenizer> } | undefined;

async function tokenizerAt(path: string): Promise<Tokenizer> {
  if (loaded?.path !== path) loaded = { path, tokenizer: loadTokenizer(path) };
  return loaded.tokenizer;
}

function requireColumn(column: string | undefined, present: string[], wanted: string): void {
  if (column !== undefined && present.includes(column)) return;
  throw new MedcossError("E_TABLE_COLUMN", {
    column: column ?? wanted,
    present: present.join(", ").slice(0, 200),
  });
}

function columnsOf(table: Table, settings: Settings): ReportColumns {
  const columns = guessColumns(table.columns, settings.columns);
  const { findings, impression, text } = columns;
  requireColumn(text ?? impression ?? findings, table.columns, "findings, impression or text");
  for (const named of [...Object.values(settings.columns), settings.splitColumn]) {
    if (named !== undefined) requireColumn(named, table.columns, named);
  }
  return columns;
}

export const packTable: Packer = async ({ path }, task, emit) => {
  const { settings, rows: share = { part: 0, of: 1 } } = task;
  const { splitColumn, preprocessing } = settings;
  const { length, cleaning, minimumWords } = preprocessing.report;
  const table = await (await formatFor(path, "text")).decode(path, settings);
  const columns = columnsOf(table, settings);
  const tokenizer = await tokenizerAt(settings.tokenizer as string);
  const notes: RecordNote[] = [];
  const skipped: Record<string, number> = {};
  const skip = (reason: string) => {
    skipped[reason] = (skipped[reason] ?? 0) + 1;
  };
  let row = -1;
  for await (const values of table.rows()) {
    row++;
    if (Math.floor(row / BLOCK) % share.of !== share.part) continue;
    const side =
      splitColumn === undefined ? undefined : sideOf(values[splitColumn] ?? "", splitColumn);
    const report = cleanReport(rawText(values, columns), cleaning);
    if (side === "test") skip("test split");
    else if (countWords(report) < minimumWords) skip(`report under ${minimumWords} words`);
    if (side === "test" || countWords(report) < minimumWords) continue;
    const encoded = tokenizer.encode(report, length);
    emit(encoded.ids);
    const note: RecordNote = { length: encoded.length };
    if (!table.whole) note.row = row;
    if (columns.case !== undefined && values[columns.case])
      note.case = values[columns.case] as string;
    if (side) note.side = side;
    notes.push(note);
  }
  return { notes, skipped };
};
