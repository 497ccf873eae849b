/**
 * Packs files into a store: decodes and preprocesses on all cores, adds what is new, puts cases aside for validation.
 *
 * Invariant: the index is replaced in one step and names complete shards only, so a run may end at any moment; a second
 * run on the same store is refused while the first lives.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { PackConfig, PackSource, ResolvedPack } from "../../config/pack.js";
import { resolvePack } from "../../config/pack-presets.js";
import { MedcossError } from "../../errors.js";
import { writing } from "../../files.js";
import { lockFolder } from "../../lock.js";
import { openStore } from "../store.js";
import { emptyIndex, readIndex, type StoreIndex } from "../store-index.js";
import {
  type GatheredModality,
  gatherModality,
  type PackedInputs,
  packGathered,
  type Run,
  WORK_FOLDER,
} from "./gathered.js";
import { nothingPacked, removeIfEmpty, takeBack } from "./nothing.js";
import { DecoderPool } from "./pool.js";
import {
  byCode,
  type PackedModality,
  type PackHooks,
  type PackResult,
  REJECTED_FILE,
  whyRejected,
} from "./report.js";
import { settleTokenizer } from "./store-tokenizer.js";

export type { PackedModality, PackHooks, PackProgress, PackResult, Rejected } from "./report.js";

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
  await rm(join(store, WORK_FOLDER), { recursive: true, force: true });
  for (const folder of await readdir(store, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    for (const name of await readdir(join(store, folder.name))) {
      if (name.endsWith(".partial")) await rm(join(store, folder.name, name), { force: true });
    }
  }
  await mkdir(join(store, WORK_FOLDER), { recursive: true });
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

async function summarise(run: Run, packed: Map<string, PackedInputs>): Promise<PackResult> {
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
    const aside = modalities.reduce((sum, { validation }) => sum + validation, 0);
    throw nothingPacked(run.store, run.config.sources, tallies, aside);
  }
  const rejected = [...packed.values()].flatMap(({ tally }) => tally.rejected);
  if (run.config.strict && rejected.length > 0) {
    const path = join(run.store, REJECTED_FILE);
    throw new MedcossError("E_FILES_REJECTED", { rejected: whyRejected(rejected), path });
  }
  return { out: run.store, modalities, rejected: byCode(rejected), warnings: run.warnings };
}

async function runAll(run: Run, groups: Map<string, PackSource[]>): Promise<PackResult> {
  const packed = new Map<string, PackedInputs>();
  const goOn = () => {
    if (run.hooks.signal?.aborted) throw new MedcossError("E_INTERRUPTED", { path: run.store });
  };
  try {
    await clean(run.store);
    const gathered: GatheredModality[] = [];
    for (const [modality, sources] of groups) {
      gathered.push(await gatherModality(run, modality, sources));
      goOn();
    }
    for (const each of gathered) {
      packed.set(each.modality, await packGathered(run, each));
      goOn();
    }
  } finally {
    await run.pool.close();
    await rm(join(run.store, WORK_FOLDER), { recursive: true, force: true });
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
  return runAll(run, groups);
}

/**
 * Packs `config.sources` into the store at `config.out`.
 *
 * A bad file costs that file and is listed in `rejected.jsonl`; with `strict` there must be none.
 *
 * @throws MedcossError E_CONFIG, E_SOURCE_MISSING, E_SPLIT, E_RUN_LOCKED, E_TOKENIZER, E_STORE_VERSION, E_STORE_CORRUPT, E_NO_DATA,
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
