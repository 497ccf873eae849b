/**
 * From the sources of a modality to the list of files to pack, each under the name that the store knows it by.
 *
 * Invariant: a name stands for one file. Folders of equal names are told apart by where they are, and a folder that was
 * moved as a whole keeps its name.
 */
import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import type { InputKind } from "../../batch.js";
import { type PackSource, type ResolvedPack, recipeKinds } from "../../config/pack.js";
import type { ModalityEntry } from "../store-index.js";
import { type FindResult, findFiles } from "./find.js";
import { groupSeries, type Scan } from "./series.js";
import { hashName, type Known } from "./sources.js";
import { caseOf, type Side } from "./split.js";
import { countUnnamed, SplitTable } from "./split-table.js";

export interface InputFile {
  path: string;
  /** Name in the store. */
  source: string;
  size: number;
  case: string;
  side?: Side;
  slices?: string[];
}

export interface Inputs {
  files: InputFile[];
  roots: ModalityEntry["roots"];
  skipped: Map<string, number>;
  problems: Array<{ source: string; problem: string }>;
  /** Files that the tables of a split do not name; they are for training. */
  unnamed: number;
}

type Roots = ModalityEntry["roots"];

function noInputs(roots: Roots): Inputs {
  return { files: [], roots, skipped: new Map(), problems: [], unnamed: 0 };
}

/** Whether at least half of a root's known files are in the folder, of the same size. */
function isMoved(name: string, found: FindResult, known: Known, config: ResolvedPack): boolean {
  const matches = found.files.filter(({ relative, size }) => {
    return known.sources.get(sourceName(name, relative, config))?.size === size;
  });
  return matches.length > 0 && matches.length * 2 >= found.files.length;
}

/** Numbers that DICOM gives to studies, series and images. */
const UNIQUE_NUMBER = /[0-2](\.(0|[1-9]\d*)){5,}/g;

/** A path without DICOM's numbers, which archives name files and folders by. */
function withoutNumbers(relative: string): string {
  return relative.replace(UNIQUE_NUMBER, (number) => hashName(number).slice(0, 12));
}

function sourceName(root: string, relative: string, { hashPaths }: ResolvedPack): string {
  const name = `${root}/${relative}`;
  return hashPaths ? hashName(name) : withoutNumbers(name);
}

/** The name of a folder in the store: an old one where the folder is known or was moved, else a new one. */
async function rootName(
  found: FindResult,
  roots: Roots,
  taken: Set<string>,
  known: Known,
  config: ResolvedPack,
): Promise<string> {
  const absolute = await realpath(found.root);
  const digest = hashName(absolute);
  const plain = withoutNumbers(basename(absolute)) || "root";
  const stem = config.hashPaths ? hashName(plain).slice(0, 12) : plain;
  const same = roots.find((root) => root.digest === digest && root.name.split("~")[0] === stem);
  if (same) return same.name;
  const moved = roots.find(
    ({ name }) =>
      name.split("~")[0] === stem && !taken.has(name) && isMoved(name, found, known, config),
  );
  if (moved) {
    moved.digest = digest;
    return moved.name;
  }
  let name = stem;
  for (let n = 2; roots.some((root) => root.name === name); n++) name = `${stem}~${n}`;
  roots.push({ name, digest });
  return name;
}

function caseName(relative: string, pattern: RegExp | undefined, config: ResolvedPack): string {
  const plain = withoutNumbers(caseOf(relative, pattern));
  return config.hashPaths ? hashName(plain) : plain;
}

function count(skipped: Map<string, number>, reason: string, by = 1): void {
  skipped.set(reason, (skipped.get(reason) ?? 0) + by);
}

/** What finding series takes. */
export interface SeriesTools {
  scan: Scan;
  secret(): Promise<string>;
}

async function findInputs(
  { path, recipe }: PackSource,
  { includeLabels }: ResolvedPack,
  { scan, secret }: SeriesTools,
): Promise<FindResult> {
  const found = await findFiles(path, recipeKinds[recipe], includeLabels);
  return recipeKinds[recipe] === "volume3d" ? groupSeries(found, scan, secret) : found;
}

/** Where the sources of one modality are gathered. */
interface Gathering {
  config: ResolvedPack;
  inputs: Inputs;
  seen: Set<string>;
  tables: SplitTable[];
}

/** Adds what was found in a folder that the store knows as `root`. */
async function addFound(
  { config, inputs, seen, tables }: Gathering,
  root: string,
  found: FindResult,
  kind: InputKind,
): Promise<void> {
  const { splitColumn, casePattern } = config;
  const pattern = casePattern === undefined ? undefined : new RegExp(casePattern);
  const inTable = kind !== "text" && splitColumn !== undefined;
  const table = inTable ? await SplitTable.find(found.root, splitColumn, config) : undefined;
  if (table) tables.push(table);
  for (const [reason, by] of found.skipped) count(inputs.skipped, reason, by);
  for (const { relative, problem } of found.problems) {
    inputs.problems.push({ source: sourceName(root, relative, config), problem });
  }
  for (const { path, relative, size, slices, folder } of found.files) {
    const source = sourceName(root, relative, config);
    const side = table?.sideOf(folder ?? relative);
    if (seen.has(source)) count(inputs.skipped, "given twice");
    else if (side === "test") count(inputs.skipped, "test split");
    else {
      const name = caseName(relative, pattern, config);
      const input = { path, source, size, case: name, slices };
      inputs.files.push(side ? { ...input, side } : input);
    }
    seen.add(source);
  }
}

/** All files of the sources of one modality, in order; throws E_SOURCE_MISSING, E_CONFIG and E_SPLIT. */
export async function gatherInputs(
  sources: readonly PackSource[],
  config: ResolvedPack,
  known: Known,
  oldRoots: Roots,
  tools: SeriesTools,
): Promise<Inputs> {
  const inputs = noInputs(structuredClone(oldRoots));
  const gathering: Gathering = { config, inputs, seen: new Set(), tables: [] };
  const taken = new Set<string>();
  for (const given of sources) {
    const found = await findInputs(given, config, tools);
    const root = await rootName(found, inputs.roots, taken, known, config);
    taken.add(root);
    await addFound(gathering, root, found, recipeKinds[given.recipe]);
  }
  inputs.unnamed = countUnnamed((sources[0] as PackSource).modality, gathering.tables);
  return inputs;
}
