/**
 * Which files of a folder are data.
 *
 * Invariant: every file met is either returned, counted as skipped with a reason, or returned as a problem; a folder is
 * entered once, so links that lead back end.
 */
import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { InputKind } from "../../batch.js";
import { MedcossError } from "../../errors.js";
import { isDataOfHeader } from "../formats/raw-volume.js";

export interface FoundFile {
  path: string;
  /** From the root, with forward slashes. */
  relative: string;
  size: number;
  /** Files of a series, where this stands for one. */
  slices?: string[];
  /** The folder of a series, from the root; empty for the root. */
  folder?: string;
}

export interface FindResult {
  /** The folder that relative paths start from. */
  root: string;
  files: FoundFile[];
  /** Number of files left out, by reason. */
  skipped: Map<string, number>;
  /** What could not be looked at. */
  problems: Array<{ relative: string; problem: string }>;
}

const LABEL_STEM = /_(label|seg|mask)$/i;
const LABEL_FOLDER = /^(masks|labels)$/i;
const ENDING = /(\.nii)?\.[^.]+$/i;
const TABLES = /\.(csv|tsv|jsonl|ndjson|parquet)$/i;
const TEXTS = /\.txt$/i;
const COMPANIONS =
  /\.(csv|tsv|json|jsonl|txt|md|xml|html?|pdf|ya?ml|log|ini|xlsx?|docx?|parquet|db|py|sh)$/i;

/** A file's name without folder and ending; `.nii.gz` counts as one ending. */
export function stemOf(path: string): string {
  return basename(path).replace(ENDING, "");
}

/** A relative path without its ending. */
export function withoutEnding(relative: string): string {
  return relative.replace(ENDING, "");
}

interface Walk extends FindResult {
  kind: InputKind;
  includeLabels: boolean;
  entered: Set<string>;
}

function skip(walk: Walk, reason: string, count = 1): void {
  walk.skipped.set(reason, (walk.skipped.get(reason) ?? 0) + count);
}

function reasonToSkip(walk: Walk, name: string, path: string): string | undefined {
  if (name.startsWith(".")) return "hidden";
  if (!walk.includeLabels && LABEL_STEM.test(stemOf(name))) return "label";
  const report = walk.kind === "text" && (TABLES.test(name) || TEXTS.test(name));
  const companion = COMPANIONS.test(name) && !report;
  if (companion) return "not data";
  return walk.kind === "volume3d" && isDataOfHeader(path) ? "voxels of a header" : undefined;
}

async function countFiles(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).length;
}

async function visit(walk: Walk, path: string, relative: string): Promise<void> {
  let found: Stats;
  try {
    found = await stat(path);
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code ?? "unknown";
    walk.problems.push({ relative, problem });
    return;
  }
  const name = basename(path);
  if (found.isDirectory()) {
    if (name.startsWith(".")) return skip(walk, "hidden", await countFiles(path));
    if (walk.includeLabels || !LABEL_FOLDER.test(name)) return enter(walk, path, relative, found);
    return skip(walk, "label", await countFiles(path));
  }
  const reason = found.isFile() ? reasonToSkip(walk, name, path) : "not a file";
  if (reason) skip(walk, reason);
  else walk.files.push({ path, relative, size: found.size });
}

async function enter(walk: Walk, path: string, relative: string, found: Stats): Promise<void> {
  const identity = `${found.dev}:${found.ino}`;
  if (walk.entered.has(identity)) return skip(walk, "link to a folder already searched");
  walk.entered.add(identity);
  try {
    const names = (await readdir(path)).sort();
    for (const name of names) {
      await visit(walk, join(path, name), relative === "" ? name : `${relative}/${name}`);
    }
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code ?? "unknown";
    walk.problems.push({ relative: relative || ".", problem });
  }
}

/** Text files beside tables are about the tables. */
function leaveOutTexts(walk: Walk): void {
  if (!walk.files.some(({ path }) => TABLES.test(path))) return;
  const kept = walk.files.filter(({ path }) => !TEXTS.test(path));
  const dropped = walk.files.length - kept.length;
  if (dropped > 0) skip(walk, "not data", dropped);
  walk.files = kept;
}

/** The data files at `path`: itself if it is a file, else all below it in the order of their names. */
export async function findFiles(
  path: string,
  kind: InputKind,
  includeLabels: boolean,
): Promise<FindResult> {
  const found = await stat(path).catch((cause) => {
    throw new MedcossError("E_SOURCE_MISSING", { path }, { cause });
  });
  const single = !found.isDirectory();
  const walk: Walk = {
    root: single ? dirname(path) : path,
    files: [],
    skipped: new Map(),
    problems: [],
    kind,
    includeLabels,
    entered: new Set(),
  };
  if (single) walk.files.push({ path, relative: basename(path), size: found.size });
  else await enter(walk, path, "", found);
  if (kind === "text") leaveOutTexts(walk);
  const { root, files, skipped, problems } = walk;
  return { root, files, skipped, problems };
}
