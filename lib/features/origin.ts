/**
 * What a finished network was made with: from `state.json`, from the `config.json` of an exported encoder, or from its
 * tensors where neither is there.
 *
 * Invariant: what the caller says wins over what the checkpoint records.
 */
import { dirname, extname } from "node:path";
import { pytorchEndings } from "../checkpoints/convert.js";
import { configurationOf, readEncoderConfig } from "../checkpoints/encoder-config.js";
import { type Behaviour, behaviourOverrides, behaviourSchema } from "../config/behaviour.js";
import type { NetworkParsed } from "../config/features.js";
import { type ModelName, type ModelSize, modelNames, models } from "../config/models.js";
import { merge, type PlainObject, parseConfig } from "../config/parse.js";
import { presets } from "../config/presets.js";
import { pretrainSchema } from "../config/training.js";
import { MedcossError } from "../errors.js";
import { exists } from "../files.js";
import { findModelFile, readState } from "../stages/checkpoint.js";
import { describeModel } from "../stages/describe.js";

/** A model file and what is known of it. */
export interface Origin {
  file: string;
  /** What its run was configured with; empty where nothing is recorded. */
  configuration: PlainObject;
  stage?: number;
  modality?: string;
  step?: number;
  /** Digest of the tokenizer that made its token ids. */
  tokenizer?: string;
}

/** What is recorded beside a model file. Throws E_CHECKPOINT_CORRUPT. */
export async function originOf(file: string): Promise<Origin> {
  const folder = dirname(file);
  const state = await readState(folder);
  if (state) {
    const { configuration, stage, modality, step, digests } = state;
    return { file, configuration, stage, modality, step, tokenizer: digests.tokenizer };
  }
  const exported = await readEncoderConfig(folder);
  if (!exported) return { file, configuration: {} };
  const { seed: _, ...source } = exported.source;
  return { file, configuration: configurationOf(exported), ...source };
}

/** The model file that a path means. Throws E_NO_CHECKPOINT, and E_PYTORCH_FILE for one that has to be converted. */
export async function findOrigin(path: string): Promise<Origin> {
  if (pytorchEndings.has(extname(path)) && (await exists(path))) {
    throw new MedcossError("E_PYTORCH_FILE", { path });
  }
  return originOf(await findModelFile(path));
}

/** What of a caller's configuration decides about behaviour. */
export type Asked = Partial<
  Pick<
    NetworkParsed,
    "preset" | "features" | "attention" | "temporalPosition" | "encoder" | "images"
  >
>;

/** The behaviour that the caller asks for, else the recorded one; single options of the caller's win. */
export function behaviourOf(asked: Asked, { configuration: before }: Origin): Behaviour {
  const preset = parseConfig(pretrainSchema.shape.preset, asked.preset ?? before.preset);
  const base = typeof preset === "string" ? presets[preset]() : preset;
  const names = Object.keys(behaviourOverrides);
  const kept = Object.fromEntries(names.map((name) => [name, before[name]]));
  const { features, attention, temporalPosition, encoder, images } = asked;
  const own = { features, attention, temporalPosition, encoder, images };
  return parseConfig(behaviourSchema, merge(base, asked.preset ? {} : kept, own));
}

/** The size that the caller gives, else the recorded one, else the named one that the tensors show. */
export function sizeOf(
  given: unknown,
  { configuration }: Origin,
  tensors: ReadonlyMap<string, readonly number[]>,
): ModelSize {
  const known = given ?? configuration.model;
  if (known !== undefined) {
    const model = parseConfig(pretrainSchema.shape.model, known);
    return typeof model === "string" ? models[model]() : model;
  }
  const shown = describeModel(tensors);
  const named = modelNames.find((name): name is ModelName => name === shown);
  if (named) return models[named]();
  const problem = `the checkpoint has a network of its own (${shown}) and does not say its heads`;
  throw new MedcossError("E_CONFIG", { field: "model", problem });
}
