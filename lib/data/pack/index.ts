/**
 * Packs files into a store: decodes and preprocesses on all cores, adds what is new, puts cases aside for validation.
 *
 * Invariant: the index is replaced in one step and names complete shards only, so a run may end at any moment; a second
 * run on the same store is refused while the first lives.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import {
  type PackConfig,
  type PackSource,
  type Recipe,
  type ResolvedPack,
  recipeKinds,
} from "../../config/pack.js";
import { resolvePack } from "../../config/pack-presets.js";
import { MedcossError } from "../../errors.js";
import { writing } from "../../files.js";
import { counted } from "../../format.js";
import { lockFolder } from "../../lock.js";
import { parameters, parametersDigest, recordFormat } from "../preprocess/recipes.js";
import { openStore } from "../store.js";
import {
  emptyIndex,
  type ModalityEntry,
  readIndex,
  type StoreIndex,
  writeIndex,
} from "../store-index.js";
import { caseKey } from "./case-key.js";
import { gatherInputs } from "./inputs.js";
import { ModalityWriter } from "./modality-writer.js";
import { nothingPacked, removeIfEmpty, takeBack } from "./nothing.js";
import { packModality } from "./pack-modality.js";
import { DecoderPool } from "./pool.js";
import type { Settings } from "./protocol.js";
import {
  byCode,
  type PackedModality,
  type PackHooks,
  type PackResult,
  REJECTED_FILE,
  Tally,
  writeRejected,
} from "./report.js";
import { readKnown } from "./sources.js";
import { whyNoneAside } from "./split.js";
import { settleTokenizer } from "./store-tokenizer.js";

export type { PackedModality, PackHooks, PackProgress, PackResult, Rejected } from "./report.js";

const WORK = ".work";

interface Run {
  store: string;
  config: ResolvedPack;
  index: StoreIndex;
  settings: Settings;
  pool: DecoderPool;
  workers: number;
  hooks: PackHooks;
  warnings: string[];
}

async function openIndex(store: string): Promise<StoreIndex> {
  try {
    return await readIndex(store);
  } catch (error) {
    if (error instanceof MedcossError && error.code === "E_NO_STORE") return emptyIndex();
    throw error;
  }
}

/** Removes what an interrupted run left. */
async function clean(store: string): Promise<void> {
  await rm(join(store, WORK), { recursive: true, force: true });
  for (const folder of await readdir(store, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    for (const name of await readdir(join(store, folder.name))) {
      if (name.endsWith(".partial")) await rm(join(store, folder.name, name), { force: true });
    }
  }
  await mkdir(join(store, WORK), { recursive: true });
}

/** The sources of each modality, in the order of first mention. */
function groupSources(sources: readonly PackSource[]): Map<string, PackSource[]> {
  const groups = new Map<string, PackSource[]>();
  for (const source of sources) {
    const group = groups.get(source.modality) ?? [];
    if (group[0] && group[0].recipe !== source.recipe) {
      const problem = `${source.modality} is given as ${group[0].recipe} and as ${source.recipe}`;
      throw new MedcossError("E_CONFIG", { field: "sources", problem });
    }
    groups.set(source.modality, [...group, source]);
  }
  return groups;
}

/** The modality's entry in the index; throws E_CONFIG where the store was packed in another way. */
function settleEntry(run: Run, modality: string, recipe: Recipe): ModalityEntry {
  const { preprocessing } = run.config;
  const values = parameters(recipe, preprocessing, run.index.tokenizer?.digest);
  const digest = parametersDigest(values);
  const before = run.index.modalities[modality];
  if (before && before.preprocessingDigest !== digest) {
    const problem = `differs from the preprocessing of ${modality} in the store; pack into another folder`;
    throw new MedcossError("E_CONFIG", { field: `preprocessing.${recipe}`, problem });
  }
  return (
    before ?? {
      kind: recipeKinds[recipe],
      record: recordFormat(recipe, preprocessing),
      preprocessing: values,
      preprocessingDigest: digest,
      roots: [],
      shards: [],
    }
  );
}

function warn(run: Run, modality: string, writer: ModalityWriter, { annotated }: Tally): void {
  if (annotated > 0) {
    run.warnings.push(
      `${modality}: ${counted(annotated, "file")} with text in the pixels (BurnedInAnnotation)`,
    );
  }
  const { splitColumn, validation } = run.config;
  const wanted = splitColumn === undefined && validation.share > 0;
  if (wanted && writer.cases > 0 && writer.aside === 0) {
    const why = whyNoneAside(writer.cases, validation);
    run.warnings.push(
      `${modality}: ${counted(writer.cases, "case")}, so none is put aside for validation (${why})`,
    );
  }
  if (writer.conflicts.size > 0) {
    run.warnings.push(
      `${modality}: ${counted(writer.conflicts.size, "case")} on both sides of the split, for training`,
    );
  }
}

async function packOne(
  run: Run,
  modality: string,
  sources: PackSource[],
): Promise<{ tally: Tally; added: number; files: number }> {
  const { store, config, index, settings, pool, workers, hooks } = run;
  const { recipe } = sources[0] as PackSource;
  const entry = settleEntry(run, modality, recipe);
  const folder = join(store, modality);
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const known = await readKnown(folder, entry);
  const secret = () => caseKey(store, config.caseKey);
  const tools = { scan: pool.scan, secret };
  const inputs = await gatherInputs(sources, config, known, entry.roots, tools);
  if (inputs.unnamed > 0) {
    const files = counted(inputs.unnamed, "file");
    run.warnings.push(`${modality}: ${files} not named by ${config.splitColumn}, for training`);
  }
  const tally = new Tally();
  for (const [reason, count] of inputs.skipped) tally.skip(reason, count);
  for (const { source, problem } of inputs.problems) {
    const { code, message } = new MedcossError("E_FILE_UNREADABLE", { problem });
    tally.reject({ path: source, code, reason: message });
  }
  const writer = new ModalityWriter(folder, entry, known, config);
  const visited = new Set(inputs.files.map(({ source }) => source));
  for (const { source } of inputs.problems) visited.add(source);
  const commit = async () => {
    await writer.commit();
    entry.roots = inputs.roots;
    if (entry.shards.length > 0) index.modalities[modality] = entry;
    await writeIndex(store, index);
    await writeRejected(store, modality, visited, tally.rejected);
  };
  const onProgress = () =>
    hooks.onProgress?.({
      modality,
      done: tally.done,
      files: inputs.files.length,
      records: writer.added,
      rejected: tally.rejected.length,
      recordsPerSecond: writer.added / tally.seconds,
    });
  const { signal } = hooks;
  const work = join(store, WORK);
  try {
    await packModality({
      ...{ modality, recipe, config, settings, entry, inputs, known, writer, pool, workers },
      ...{ work, tally, signal, secret, onProgress, commit },
    });
    await commit();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  tally.stop();
  warn(run, modality, writer, tally);
  return { tally, added: writer.added, files: inputs.files.length };
}

async function summarise(
  run: Run,
  packed: Map<string, { tally: Tally; added: number; files: number }>,
): Promise<PackResult> {
  await using store = await openStore(run.store);
  const modalities: PackedModality[] = [...packed].map(([modality, { tally, added, files }]) => {
    const info = store.modalities.includes(modality) ? store.info(modality) : undefined;
    return {
      modality,
      files,
      unchanged: tally.unchanged,
      rejected: tally.rejected.length,
      skipped: Object.fromEntries(tally.skipped),
      added,
      train: info?.train ?? 0,
      validation: info?.validation ?? 0,
      seconds: tally.seconds,
      recordsPerSecond: added / tally.seconds,
    };
  });
  for (const { modality, train } of modalities) {
    if (train === 0) run.warnings.push(`${modality}: no usable data`);
  }
  if (modalities.every(({ train }) => train === 0)) {
    const tallies = [...packed.values()].map(({ tally }) => tally);
    throw nothingPacked(run.store, run.config.sources, tallies);
  }
  const rejected = byCode([...packed.values()].flatMap(({ tally }) => tally.rejected));
  return { out: run.store, modalities, rejected, warnings: run.warnings };
}

async function runAll(run: Run, groups: Map<string, PackSource[]>): Promise<PackResult> {
  const packed = new Map<string, { tally: Tally; added: number; files: number }>();
  try {
    await clean(run.store);
    for (const [modality, sources] of groups) {
      packed.set(modality, await packOne(run, modality, sources));
      if (run.hooks.signal?.aborted) throw new MedcossError("E_INTERRUPTED", { path: run.store });
    }
  } finally {
    await run.pool.close();
    await rm(join(run.store, WORK), { recursive: true, force: true });
  }
  return summarise(run, packed);
}

/** Packs into a store that this process owns. */
async function packInto(
  store: string,
  config: ResolvedPack,
  groups: Map<string, PackSource[]>,
  hooks: PackHooks,
): Promise<PackResult> {
  const index = await openIndex(store);
  const reports = config.sources.some(({ recipe }) => recipe === "report");
  const tokenizer = reports ? await settleTokenizer(store, config, index) : undefined;
  const { preprocessing, limits, hdf5Dataset, columns, splitColumn } = config;
  const settings = { preprocessing, limits, hdf5Dataset, columns, splitColumn, tokenizer };
  const workers = config.workers ?? availableParallelism();
  const pool = new DecoderPool(workers, limits);
  const run = { store, config, index, settings, pool, workers, hooks, warnings: [] };
  const result = await runAll(run, groups);
  const count = Object.values(result.rejected).reduce((a, b) => a + b, 0);
  if (config.strict && count > 0) {
    throw new MedcossError("E_FILES_REJECTED", { count, path: join(store, REJECTED_FILE) });
  }
  return result;
}

/**
 * Packs `config.sources` into the store at `config.out`.
 *
 * A bad file costs that file and is listed in `rejected.jsonl`; with `strict` there must be none.
 *
 * @throws MedcossError E_CONFIG, E_SOURCE_MISSING, E_RUN_LOCKED, E_TOKENIZER, E_STORE_VERSION, E_STORE_CORRUPT, E_NO_DATA,
 *   E_FILES_REJECTED, E_DISK_FULL, E_INTERRUPTED
 */
export async function pack(input: PackConfig, hooks: PackHooks = {}): Promise<PackResult> {
  const config = resolvePack(input);
  const groups = groupSources(config.sources);
  for (const { path } of config.sources) {
    await stat(path).catch((cause) => {
      throw new MedcossError("E_SOURCE_MISSING", { path }, { cause });
    });
  }
  const store = resolve(config.out);
  const made = await writing(store, () => mkdir(store, { recursive: true }));
  const lock = await lockFolder(store);
  try {
    return await packInto(store, config, groups, hooks);
  } finally {
    await takeBack(store, groups.keys()).finally(() => lock.release());
    if (made !== undefined) await removeIfEmpty(store);
  }
}
