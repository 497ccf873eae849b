/**
 * A finished network and the records that it is to see.
 *
 * Invariant: size and behaviour are the checkpoint's own unless the caller says otherwise, so features are those of the
 * network as it was trained.
 */
import { dirname } from "node:path";
import { type Behaviour, behaviourOverrides, behaviourSchema } from "../config/behaviour.js";
import type { NetworkParsed } from "../config/features.js";
import { type ModelName, type ModelSize, modelNames, models } from "../config/models.js";
import { merge, type PlainObject, parseConfig } from "../config/parse.js";
import { presets } from "../config/presets.js";
import { physicalCores } from "../config/threads.js";
import { pretrainSchema } from "../config/training.js";
import { fileDigest } from "../data/shard.js";
import { openStore, type Store } from "../data/store.js";
import { MedcossError } from "../errors.js";
import type { NativeModelSize } from "../native/types.js";
import { readHeader } from "../safetensors.js";
import { type CheckpointState, findModelFile, readState } from "../stages/checkpoint.js";
import { describeCheckpoint } from "../stages/describe.js";
import { checkRecord, type DatasetParts } from "../stages/stage-data.js";
import { startOf } from "../stages/start.js";
import { storeParts } from "../stages/store-data.js";
import { Trainer } from "../trainer.js";

/** A network at work on one modality of a store. */
export interface OpenedNetwork extends AsyncDisposable {
  store: Store;
  parts: DatasetParts;
  trainer: Trainer;
  behaviour: Behaviour;
  stage: number;
  seed: number;
  /** SHA-256 of the model file. */
  checkpointDigest: string;
}

interface Checkpoint {
  file: string;
  state?: CheckpointState;
}

/** What the checkpoint's run was configured with. */
const recorded = ({ state }: Checkpoint): PlainObject => state?.configuration ?? {};

/** The behaviour that the caller asks for, else the recorded one; single options of the caller's win. */
function behaviourOf(config: NetworkParsed, checkpoint: Checkpoint): Behaviour {
  const before = recorded(checkpoint);
  const preset = parseConfig(pretrainSchema.shape.preset, config.preset ?? before.preset);
  const base = typeof preset === "string" ? presets[preset]() : preset;
  const names = Object.keys(behaviourOverrides);
  const kept = Object.fromEntries(names.map((name) => [name, before[name]]));
  const { features, attention, temporalPosition, encoder, images } = config;
  const own = { features, attention, temporalPosition, encoder, images };
  return parseConfig(behaviourSchema, merge(base, config.preset ? {} : kept, own));
}

async function sizeOf(config: NetworkParsed, checkpoint: Checkpoint): Promise<ModelSize> {
  const given = config.model ?? recorded(checkpoint).model;
  if (given !== undefined) {
    const model = parseConfig(pretrainSchema.shape.model, given);
    return typeof model === "string" ? models[model]() : model;
  }
  const { model } = await describeCheckpoint(checkpoint.file, false);
  const named = modelNames.find((name): name is ModelName => name === model);
  if (named) return models[named]();
  const problem = `the checkpoint has a network of its own (${model}) and does not say its heads`;
  throw new MedcossError("E_CONFIG", { field: "model", problem });
}

/** The size with as many rows in its token table as the checkpoint has. */
async function nativeSize(
  config: NetworkParsed,
  checkpoint: Checkpoint,
  tokens: number,
): Promise<NativeModelSize> {
  const { tensors } = await readHeader(checkpoint.file);
  const rows = tensors.get("token_embed.embeddings.weight")?.shape[0] ?? tokens;
  const size = { ...(await sizeOf(config, checkpoint)), vocabulary: rows };
  if (tokens <= rows) return size;
  const problem = `the store's tokenizer has ${tokens} ids, the checkpoint ${rows}`;
  throw new MedcossError("E_CONFIG", { field: "model.vocabulary", problem });
}

async function load(
  config: NetworkParsed,
  store: Store,
  checkpoint: Checkpoint,
): Promise<OpenedNetwork> {
  const { modality, device, precision } = config;
  const stage = config.stage ?? checkpoint.state?.stage ?? 1;
  const seed = config.seed ?? Number(recorded(checkpoint).seed ?? 0);
  const parts = await storeParts(store, modality, stage);
  const { tokenizer, train } = parts;
  const from = { folder: dirname(checkpoint.file), tokenizer: tokenizer?.digest };
  const start = await startOf(checkpoint.file, from);
  const size = await nativeSize(config, checkpoint, tokenizer?.vocabularySize ?? 0);
  checkRecord(modality, train.kind, train.record, size);
  const behaviour = behaviourOf(config, checkpoint);
  const checkpointDigest = await fileDigest(checkpoint.file);
  const trainer = await Trainer.create({
    ...{ size, preset: behaviour, device, precision, seed, stage, start },
    threads: config.threads ?? physicalCores(),
  });
  const close = async () => {
    await trainer.close();
    await store.close();
  };
  return {
    ...{ store, parts, trainer, behaviour, stage, seed, checkpointDigest },
    [Symbol.asyncDispose]: close,
  };
}

/** Opens both; throws E_NO_STORE, E_NO_MODALITY, E_NO_CHECKPOINT, E_CHECKPOINT_SHAPE, E_CONFIG and others. */
export async function openNetwork(config: NetworkParsed): Promise<OpenedNetwork> {
  const store = await openStore(config.store);
  try {
    store.info(config.modality);
    const file = await findModelFile(config.checkpoint);
    return await load(config, store, { file, state: await readState(dirname(file)) });
  } catch (error) {
    await store.close();
    throw error;
  }
}
