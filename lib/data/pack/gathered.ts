/**
 * One modality of a run of `pack`: its inputs, then its records.
 *
 * Invariant: nothing of a modality is written before its inputs are gathered.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type PackSource, type Recipe, type ResolvedPack, recipeKinds } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { writing } from "../../files.js";
import { counted } from "../../format.js";
import { parameters, parametersDigest, recordFormat } from "../preprocess/recipes.js";
import { type ModalityEntry, type StoreIndex, writeIndex } from "../store-index.js";
import { caseKey } from "./case-key.js";
import { gatherInputs, type Inputs } from "./inputs.js";
import { ModalityWriter } from "./modality-writer.js";
import { packModality } from "./pack-modality.js";
import type { DecoderPool } from "./pool.js";
import type { Settings } from "./protocol.js";
import { type PackHooks, Tally, writeRejected } from "./report.js";
import { type Known, readKnown } from "./sources.js";
import { whyNoneAside } from "./split.js";

/** The store's folder for what is being packed. */
export const WORK_FOLDER = ".work";

/** A run of `pack`, for all its modalities. */
export interface Run {
  store: string;
  config: ResolvedPack;
  index: StoreIndex;
  settings: Settings;
  pool: DecoderPool;
  workers: number;
  hooks: PackHooks;
  warnings: string[];
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

/** The inputs of one modality, and what the store holds of it. */
export interface GatheredModality {
  modality: string;
  recipe: Recipe;
  entry: ModalityEntry;
  known: Known;
  inputs: Inputs;
  secret(): Promise<string>;
}

/** Finds a modality's files; throws E_CONFIG, E_SOURCE_MISSING and E_SPLIT, and writes no record. */
export async function gatherModality(
  run: Run,
  modality: string,
  sources: PackSource[],
): Promise<GatheredModality> {
  const { store, config, pool } = run;
  const { recipe } = sources[0] as PackSource;
  const entry = settleEntry(run, modality, recipe);
  const known = await readKnown(join(store, modality), entry);
  const secret = () => caseKey(store, config.caseKey);
  const tools = { scan: pool.scan, secret };
  const inputs = await gatherInputs(sources, config, known, entry.roots, tools);
  if (inputs.unnamed > 0) {
    const files = counted(inputs.unnamed, "file");
    run.warnings.push(`${modality}: ${files} not named by ${config.splitColumn}, for training`);
  }
  return { modality, recipe, entry, known, inputs, secret };
}

/** What became of a modality's inputs. */
export interface PackedInputs {
  tally: Tally;
  added: number;
  files: number;
}

/** Packs a modality's files into its shards. */
export async function packGathered(
  run: Run,
  { modality, recipe, entry, known, inputs, secret }: GatheredModality,
): Promise<PackedInputs> {
  const { store, config, index, settings, pool, workers, hooks } = run;
  const folder = join(store, modality);
  await writing(folder, () => mkdir(folder, { recursive: true }));
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
  const work = join(store, WORK_FOLDER);
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
