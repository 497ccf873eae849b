/** The replay buffer of a modality from a checkpoint and a store. */
import { type BufferConfig, bufferSchema } from "../config/features.js";
import { parseConfig } from "../config/parse.js";
import { prepareOutput } from "../files.js";
import { type Buffer, writeBuffer } from "../replay/buffer-file.js";
import { selectBuffer } from "../replay/build-buffer.js";
import type { ReplayHooks } from "../replay/features.js";
import { openNetwork } from "./network.js";

/**
 * Chooses the samples of a modality that later stages replay, and writes them to `out` where it is given. A stage's
 * checkpoint gives its seed, stage, size and behaviour. Throws E_ABORTED when `hooks.signal` is
 * aborted, and E_CONFIG, E_NO_STORE, E_NO_MODALITY, E_NO_CHECKPOINT, E_CHECKPOINT_SHAPE, E_TOKENIZER_MISMATCH,
 * E_FEATURES, E_WRITE and others of the registry.
 */
export async function buildBuffer(config: BufferConfig, hooks: ReplayHooks = {}): Promise<Buffer> {
  const { out, method, share, centres, restarts, maxIterations, tolerance, budget, ...network } =
    parseConfig(bufferSchema, config);
  await prepareOutput(out);
  await using opened = await openNetwork(network);
  const { store, parts, trainer, behaviour, stage, seed, checkpointDigest } = opened;
  const { modality, batchSize, device } = network;
  const buffer = await selectBuffer({
    ...{ trainer, modality, stage, seed, behaviour, batchSize, checkpointDigest, device },
    ...hooks,
    dataset: parts.train,
    tokenizer: parts.tokenizer,
    dataDigest: parts.digest ?? "",
    recordNumber: (index) => store.recordNumber(modality, "train", index),
    options: { method, share, centres, restarts, maxIterations, tolerance, budget },
  });
  if (out !== undefined) await writeBuffer(out, buffer);
  return buffer;
}
