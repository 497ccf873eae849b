/**
 * What a decoding process does: turns files into records. It runs apart from the packing process, so that whatever a decoder does
 * costs the file and not the run.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { appendFile } from "node:fs/promises";
import { recipeKinds } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { type Scanned, scanFile } from "../formats/dicom/scan.js";
import { decodeSeries } from "../formats/dicom/series.js";
import { formatFor } from "../formats/index.js";
import { raster } from "../formats/raster.js";
import { dataBeside } from "../formats/raw-volume.js";
import { isSlide, slideTiles } from "../formats/slide.js";
import type { Table } from "../formats/types.js";
import { prepareCt } from "../preprocess/ct.js";
import { type CropResize, prepareImage } from "../preprocess/image.js";
import { prepareMri } from "../preprocess/mri.js";
import {
  cleanReport,
  countWords,
  guessColumns,
  type ReportColumns,
  rawText,
} from "../preprocess/report.js";
import type { Resample, Tile } from "../preprocess/volume.js";
import type { Tokenizer } from "../tokenizer.js";
import type {
  FileResult,
  RecordNote,
  ScanFile,
  Settings,
  Task,
  TaskFailure,
  TaskFile,
} from "./protocol.js";
import { sideOf } from "./split.js";

/** Rows of a table that stay together when several processes share it. */
const BLOCK = 256;

interface Prepared {
  notes: RecordNote[];
  skipped?: Record<string, number>;
  patient?: string;
  annotated?: boolean;
}

/** A file that is none to learn from, though nothing is wrong with it. */
class SkipFile extends Error {}

/** Edges of a record that a decoded image has at least, so that smoothing is left to the record's own filter. */
const RECORDS_ACROSS = 2;

/** Called with the number of each file that is begun. */
type OnFile = (index: number) => void;

type Emit = (record: ArrayBufferView) => Promise<void>;

type Native = { resample: Resample; cropResize: CropResize };

let native: Promise<Native> | undefined;

/** Every core has a process of its own, so one thread is enough. */
async function loadNative(): Promise<Native> {
  const { configureThreads, cropResize, resample } = await import("../../trainer.js");
  configureThreads(1);
  return { cropResize, resample };
}

/** The addon, loaded when the first image or volume comes. */
const whenNative = (): Promise<Native> => {
  native ??= loadNative();
  return native;
};
const resampleAlone: Resample = async (options) => (await whenNative()).resample(options);
const resizeAlone: CropResize = async (options) => (await whenNative()).cropResize(options);

let loaded: { path: string; tokenizer: Promise<Tokenizer> } | undefined;

async function tokenizerAt(path: string): Promise<Tokenizer> {
  const { loadTokenizer } = await import("../tokenizer.js");
  if (loaded?.path !== path) loaded = { path, tokenizer: loadTokenizer(path) };
  return loaded.tokenizer;
}

/** Every tissue tile of a whole slide. */
async function packSlide(path: string, settings: Settings, emit: Emit): Promise<Prepared> {
  const { pathology } = settings.preprocessing;
  const notes: RecordNote[] = [];
  const tiles = slideTiles(path, { size: pathology.size, ...pathology.slide });
  for await (const { at, image } of tiles) {
    await emit(await prepareImage(image, pathology, resizeAlone));
    notes.push({ tile: at });
  }
  return { notes };
}

async function packImage({ path }: TaskFile, task: Task, emit: Emit): Promise<Prepared> {
  const { settings, recipe } = task;
  const format = await formatFor(path, "image2d");
  const reason = await format.reasonToSkip?.(path);
  if (reason !== undefined) throw new SkipFile(reason);
  if (recipe === "pathology" && format === raster && (await isSlide(path))) {
    return packSlide(path, settings, emit);
  }
  const options = settings.preprocessing[recipe as "xray" | "pathology"];
  const enoughPixels = options.shrinkOnLoad ? RECORDS_ACROSS * options.size : undefined;
  const image = await format.decode(path, { ...settings, enoughPixels });
  const { patient, annotated } = image;
  await emit(await prepareImage(image, options, resizeAlone));
  return { notes: [{}], patient, annotated };
}

async function decodeVolume({ path, slices }: TaskFile, settings: Settings) {
  if (slices) return decodeSeries(slices, settings);
  return (await formatFor(path, "volume3d")).decode(path, settings);
}

async function packVolume(file: TaskFile, task: Task, emit: Emit): Promise<Prepared> {
  const { settings, recipe } = task;
  const volume = await decodeVolume(file, settings);
  const { patient, annotated } = volume;
  const { ct, mri } = settings.preprocessing;
  const tiles: Tile<Int16Array | Float32Array>[] =
    recipe === "ct"
      ? await prepareCt(volume, ct, settings.limits.voxels, resampleAlone)
      : await prepareMri(volume, mri, settings.limits.voxels, resampleAlone);
  for (const { voxels } of tiles) await emit(voxels);
  return { notes: tiles.map(({ slices }) => ({ slices })), patient, annotated };
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

async function packTable({ path }: TaskFile, task: Task, emit: Emit): Promise<Prepared> {
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
    await emit(encoded.ids);
    const note: RecordNote = { length: encoded.length };
    if (!table.whole) note.row = row;
    if (columns.case !== undefined && values[columns.case])
      note.case = values[columns.case] as string;
    if (side) note.side = side;
    notes.push(note);
  }
  return { notes, skipped };
}

const packers = { text: packTable, image2d: packImage, volume3d: packVolume };

async function digestOf({ path, slices }: TaskFile): Promise<string> {
  const hash = createHash("sha256");
  try {
    for (const part of slices ?? [path, ...dataBeside(path)]) {
      for await (const chunk of createReadStream(part, { highWaterMark: 2 ** 20 })) {
        hash.update(chunk as Buffer);
      }
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new MedcossError("E_FILE_UNREADABLE", { problem: code ?? message }, { cause });
  }
  return hash.digest("hex").slice(0, 32);
}

/** Records of one file, in memory until the file is known to be good. */
async function packFile(task: Task, index: number): Promise<FileResult> {
  const file = task.files[index] as TaskFile;
  const digest = await digestOf(file);
  if (digest === file.known) return { status: "unchanged" };
  const chunks: Uint8Array[] = [];
  const emit: Emit = async ({ buffer, byteOffset, byteLength }) => {
    chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
  };
  const { notes, ...rest } = await packers[recipeKinds[task.recipe]](file, task, emit);
  if (chunks.length > 0) await appendFile(task.output, Buffer.concat(chunks));
  return { status: "packed", digest, records: notes, ...rest };
}

function rejection(error: unknown, { recipe }: Task, path: string): FileResult | undefined {
  if (error instanceof SkipFile) return { status: "skipped", reason: error.message };
  if (error instanceof MedcossError) {
    const costsTheFile = error.code.startsWith("E_FILE_") || error.code === "E_TABLE_COLUMN";
    const { code, message: reason } = error;
    return costsTheFile ? { status: "rejected", code, reason } : undefined;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return undefined;
  const problem = String(message).replaceAll(path, "the file");
  const known = new MedcossError("E_FILE_FORMAT", { format: recipe, problem });
  return { status: "rejected", code: known.code, reason: known.message };
}

function failure(error: unknown, output: string): TaskFailure {
  if (error instanceof MedcossError) return { failed: error.code, values: error.values };
  const { message } = error as Error;
  return { failed: "E_DISK_FULL", values: { path: output, problem: message } };
}

/** What each file is to a DICOM series. */
export async function scan(files: readonly ScanFile[], onFile: OnFile): Promise<Scanned[]> {
  const results: Scanned[] = [];
  for (const [index, { path, folder }] of files.entries()) {
    onFile(index);
    results.push(await scanFile(path, folder));
  }
  return results;
}

/** Packs the files of a task, each on its own. An error that is not a file's own ends the task. */
export async function pack(task: Task, onFile: OnFile): Promise<FileResult[] | TaskFailure> {
  const results: FileResult[] = [];
  for (const [index, { path }] of task.files.entries()) {
    onFile(index);
    try {
      results.push(await packFile(task, index));
    } catch (error) {
      const rejected = rejection(error, task, path);
      if (!rejected) return failure(error, task.output);
      results.push(rejected);
    }
  }
  return results;
}
