/**
 * From a table's row to the text that the network reads (reference section 5, report cleaning).
 */

/** Columns by what they hold. */
export interface ReportColumns {
  findings?: string;
  impression?: string;
  text?: string;
  case?: string;
}

const guesses: Record<keyof ReportColumns, string[]> = {
  findings: ["findings", "finding"],
  impression: ["impression", "impressions", "conclusion"],
  text: ["text", "report", "report_text", "note", "note_text", "content", "body"],
  case: [
    "patient_id",
    "patientid",
    "patient",
    "subject_id",
    "subject",
    "case_id",
    "case",
    "study_id",
    "id",
    "uid",
  ],
};

const plainName = (name: string) => name.toLowerCase().replace(/[\s-]+/g, "_");

/** Fills in the columns that are not named; findings and impression go before whole texts. */
export function guessColumns(present: readonly string[], named: ReportColumns): ReportColumns {
  const find = (role: keyof ReportColumns) =>
    named[role] ??
    guesses[role].flatMap((guess) => present.find((name) => plainName(name) === guess) ?? [])[0];
  const columns: ReportColumns = { case: find("case") };
  if (named.text !== undefined) return { ...columns, text: named.text };
  columns.findings = find("findings");
  columns.impression = find("impression");
  if (columns.findings === undefined && columns.impression === undefined)
    columns.text = find("text");
  return columns;
}

/** Impression, then findings; or the whole text. */
export function rawText(row: Readonly<Record<string, string>>, columns: ReportColumns): string {
  const part = (column: string | undefined) => (column === undefined ? "" : (row[column] ?? ""));
  if (columns.text !== undefined) return part(columns.text);
  return `${part(columns.impression)} ${part(columns.findings)}`;
}

function publishedWords(piece: string): string[] {
  const words =
    piece
      .replace(/\uFFFD\uFFFD/g, " ")
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}_]+/gu) ?? [];
  if (words.length <= 1) return [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII starts at 0.
  return words.map((word) => word.replace(/[^\x00-\x7F]/g, "")).filter((word) => word !== "");
}

/**
 * `published`: split at each number followed by a period and at each period; lower-case words of each piece; pieces of
 * one word dropped; no punctuation. `plain`: the text with its white space tidied.
 */
export function cleanReport(text: string, cleaning: "published" | "plain"): string {
  if (cleaning === "plain") return text.replace(/\s+/g, " ").trim();
  return text
    .replace(/[\r\n]/g, " ")
    .split(/\d+\./)
    .flatMap((piece) => piece.split("."))
    .flatMap(publishedWords)
    .join(" ");
}

/** Words of a cleaned report. */
export function countWords(text: string): number {
  return text === "" ? 0 : text.split(" ").length;
}
