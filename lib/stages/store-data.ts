/**
 * What stages take from a store.
 */
import type { Training } from "../config/resolve.js";
import type { Store } from "../data/store.js";
import type { Tokenizer } from "../data/tokenizer.js";
import { MedcossError } from "../errors.js";
import { DEFAULT_VOCABULARY } from "../trainer.js";
import { checkpointsIn } from "./checkpoint.js";
import type { DatasetParts } from "./stage-data.js";

/** The order in which the published stages follow each other; others come after, in the store's order. */
const publishedOrder = ["report", "xray", "ct", "mri", "pathology"];

/** All modalities of a store in the order of their stages. */
export function defaultStages(modalities: readonly string[]): string[] {
  const known = publishedOrder.filter((name) => modalities.includes(name));
  return [...known, ...modalities.filter((name) => !publishedOrder.includes(name))];
}

/** The datasets of one modality. Throws E_NO_MODALITY. */
export async function storeParts(
  store: Store,
  modality: string,
  stage: number,
): Promise<DatasetParts> {
  const info = store.info(modality);
  const text = info.kind === "text";
  return {
    modality,
    stage,
    train: store.dataset(modality, "train"),
    validation: store.dataset(modality, "validation"),
    tokenizer: text ? await store.tokenizer() : undefined,
    digest: `${info.preprocessingDigest}:${info.train}+${info.validation}`,
    recordNumber: (index) => store.recordNumber(modality, "train", index),
  };
}

/**
 * Refuses a store other than the one that stages were trained on so far: their modalities must be there, with records
 * made the same way; more of them may have come since. Throws E_NO_MODALITY, E_RUN_CHANGED.
 */
export async function refuseOtherStore(
  out: string,
  store: Store,
  stages: ReadonlyArray<{ modality: string; folder: string }>,
): Promise<void> {
  for (const { modality, folder } of stages) {
    const { preprocessingDigest } = store.info(modality);
    const [saved] = await checkpointsIn(folder);
    const before = saved?.state.digests.data?.split(":")[0];
    if (before === undefined || before === preprocessingDigest) continue;
    const differences = `the data of ${modality} are others`;
    throw new MedcossError("E_RUN_CHANGED", { path: out, differences });
  }
}

/** Rows of the token table: the model's, else those of the start, else the tokenizer's, which must fit into it. */
export function vocabularyOf(
  training: Training,
  tokenizer: Tokenizer | undefined,
  startRows?: number,
): number {
  const vocabulary = training.model.vocabulary ?? startRows;
  if (vocabulary === undefined) return tokenizer?.vocabularySize ?? DEFAULT_VOCABULARY;
  if (tokenizer && tokenizer.vocabularySize > vocabulary) {
    throw new MedcossError("E_CONFIG", {
      field: "model.vocabulary",
      problem: `the tokenizer has ${tokenizer.vocabularySize} ids, the model ${vocabulary}`,
    });
  }
  return vocabulary;
}
