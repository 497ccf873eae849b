/**
 * What the packing process and its decoding processes tell each other; plain data only.
 */
import type { Limits, Preprocessing, Recipe } from "../../config/pack.js";
import type { ErrorCode } from "../../errors.js";
import type { Scanned } from "../formats/dicom/scan.js";
import type { ReportColumns } from "../preprocess/report.js";

/** The same for every task of a run. */
export interface Settings {
  preprocessing: Preprocessing;
  limits: Limits;
  hdf5Dataset: string;
  columns: ReportColumns;
  splitColumn?: string;
  /** Tokenizer of the store, for reports. */
  tokenizer?: string;
}

export interface TaskFile {
  path: string;
  /** Digest of the content that the store already has under this name. */
  known?: string;
  /** All files of a series, in place of the one. */
  slices?: string[];
}

export interface Task {
  recipe: Recipe;
  files: TaskFile[];
  /** Every `of`-th block of a table's rows, from `part` on. */
  rows?: { part: number; of: number };
  /** Where the records go, one after another; made only if there are any. */
  output: string;
  settings: Settings;
}

/** One record: where in its source it comes from. */
export interface RecordNote {
  /** First slice and the one after the last. */
  slices?: [number, number];
  /** Left and top of a tile in its slide, in pixels. */
  tile?: [number, number];
  /** Data row of a table, from 0. */
  row?: number;
  /** Patient or case, where a table names it. */
  case?: string;
  /** Side that the split column names. */
  side?: "train" | "validation";
  /** Real tokens of a text. */
  length?: number;
}

export type FileResult =
  | {
      status: "packed";
      digest: string;
      records: RecordNote[];
      skipped?: Record<string, number>;
      /** Tells patients apart; digested before it is written. */
      patient?: string;
      /** Whether the file says that there is text in its pixels. */
      annotated?: boolean;
    }
  | { status: "skipped"; reason: string }
  | { status: "unchanged" }
  | { status: "rejected"; code: ErrorCode; reason: string };

/** Something is wrong that is no file's fault; the run ends with this error. */
export interface TaskFailure {
  failed: ErrorCode;
  values: Record<string, string | number>;
}

/** A file to look at; `folder` stands in for the series of one that has no number. */
export interface ScanFile {
  path: string;
  folder: string;
}

/** What a decoding process is asked. */
export type Request = { pack: Task } | { scan: ScanFile[] };

/** Its answer; before that it tells the number of each file that it begins. */
export type Answer = { results: FileResult[] } | { scanned: Scanned[] } | TaskFailure;
