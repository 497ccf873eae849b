/**
 * A finished network and the records that it is to see.
 *
 * Invariant: size and behaviour are the checkpoint's own unless the caller says otherwise, so features are those of the
 * network as it was trained.
 */
import { dirname } from "node:path";
import { openTensorFile } from "../checkpoints/convert.js";
import type { Behaviour } from "../config/behaviour.js";
import type { NetworkParsed } from "../config/features.js";
import { physicalCores } from "../config/threads.js";
import { fileDigest } from "../data/shard.js";
import { openStore, type Store } from "../data/store.js";
import { MedcossError } from "../errors.js";
import type { NativeModelSize } from "../native/types.js";
import { checkRecord, type DatasetParts } from "../stages/stage-data.js";
import { startOf } from "../stages/start.js";
import { storeParts } from "../stages/store-data.js";
import { Trainer } from "../trainer.js";
import { behaviourOf, findOrigin, type Origin, sizeOf } from "./origin.js";

/** A network at work on one modality of a store. */
export interface OpenedNetwork extends AsyncDisposable {
  store: Store;
  parts: DatasetParts;
  trainer: Trainer;
  behaviour: Behaviour;
  stage: number;
  seed: number;
  origin: Origin;
  /** SHA-256 of the model file. */
  checkpointDigest: string;
}

/** What of the checkpoint is needed: its encoder, or its decoder and heads too. */
export type Needed = "encoder" | "all";

type Tensors = ReadonlyMap<string, readonly number[]>;

async function tensorsOf(file: string): Promise<Tensors> {
  const opened = await openTensorFile(file);
  await opened.close();
  return opened.tensors;
}

/** The size with as many rows in its token table as the checkpoint has. */
function nativeSize(
  config: NetworkParsed,
  origin: Origin,
  tensors: Tensors,
  tokens: number,
): NativeModelSize {
  const rows = tensors.get("token_embed.embeddings.weight")?.[0] ?? tokens;
  const size = { ...sizeOf(config.model, origin, tensors), vocabulary: rows };
  if (tokens <= rows) return size;
  const problem = `the store's tokenizer has ${tokens} ids, the checkpoint ${rows}`;
  throw new MedcossError("E_CONFIG", { field: "model.vocabulary", problem });
}

async function load(
  config: NetworkParsed,
  store: Store,
  origin: Origin,
  needed: Needed,
): Promise<OpenedNetwork> {
  const { modality, device, precision } = config;
  const stage = config.stage ?? origin.stage ?? 1;
  const seed = config.seed ?? Number(origin.configuration.seed ?? 0);
  const parts = await storeParts(store, modality, stage);
  const { tokenizer, train } = parts;
  const from = { folder: dirname(origin.file), tokenizer: tokenizer?.digest };
  const encoder = await startOf(origin.file, from);
  const start =
    needed === "all" ? { kind: "file" as const, path: origin.file, scope: needed } : encoder;
  const tensors = await tensorsOf(origin.file);
  const size = nativeSize(config, origin, tensors, tokenizer?.vocabularySize ?? 0);
  checkRecord(modality, train.kind, train.record, size);
  const behaviour = behaviourOf(config, origin);
  const checkpointDigest = await fileDigest(origin.file);
  const trainer = await Trainer.create({
    ...{ size, preset: behaviour, device, precision, seed, stage, start },
    threads: config.threads ?? physicalCores(),
  });
  const close = async () => {
    await trainer.close();
    await store.close();
  };
  return {
    ...{ store, parts, trainer, behaviour, stage, seed, origin, checkpointDigest },
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Opens both; throws E_NO_STORE, E_NO_MODALITY, E_NO_CHECKPOINT, E_PYTORCH_FILE, E_CHECKPOINT_SHAPE, E_CONFIG and others,
 * and E_ENCODER_ONLY where all of the checkpoint is needed.
 */
export async function openNetwork(
  config: NetworkParsed,
  needed: Needed = "encoder",
): Promise<OpenedNetwork> {
  const store = await openStore(config.store);
  try {
    store.info(config.modality);
    return await load(config, store, await findOrigin(config.checkpoint), needed);
  } catch (error) {
    await store.close();
    throw error;
  }
}
