/** What a finished network makes of masked records, as pictures. */
import { type ReconstructConfig, reconstructSchema } from "../config/features.js";
import { parseConfig } from "../config/parse.js";
import { validationBatches } from "../data/batches.js";
import type { Dataset } from "../data/dataset.js";
import { spread } from "../data/spread.js";
import { writing } from "../files.js";
import { writeReconstructions } from "../pictures/index.js";
import { type OpenedNetwork, openNetwork } from "./network.js";

export interface Reconstructed {
  modality: string;
  /** Records shown. */
  samples: number;
  files: string[];
  /** What the reader of the pictures has to know. */
  warnings: string[];
}

/** Decoder and heads are drawn anew in each stage, so they know one modality. */
function warningsFor({ origin }: OpenedNetwork, modality: string): string[] {
  if (origin.modality === undefined || origin.modality === modality) return [];
  return [
    `The decoder of this checkpoint was trained on ${origin.modality}, not on ${modality}; ` +
      `for pictures of ${modality} take the checkpoint of its stage`,
  ];
}

/** The records that a stage shows: of the validation share, where there is one. */
function batchOf(opened: OpenedNetwork, shown: Dataset, samples: number) {
  const { parts, behaviour, seed, stage } = opened;
  const { tokenizer } = parts;
  const { masking, images } = behaviour;
  const source = validationBatches(spread(shown, samples), {
    ...{ seed, stage, training: false, sampling: "permutation" },
    batchSize: samples,
    channelOrder: images.channelOrder,
    wordMask: tokenizer && { tokenizer, quota: masking.quota, probability: masking.words },
  });
  return source.batch(0);
}

/**
 * Writes into the folder `out` what a run writes for its stages: a picture `step-NNNNNN.png` with masked input,
 * reconstruction and original of records spread over the data, or `step-NNNNNN.md` with masked words. The same checkpoint gives
 * the same picture as its run. Throws E_ENCODER_ONLY for a checkpoint without a decoder, and as `buildBuffer` does.
 */
export async function reconstruct(config: ReconstructConfig): Promise<Reconstructed> {
  const { out, samples, ...network } = parseConfig(reconstructSchema, config);
  await using opened = await openNetwork(network, "all");
  const { modality } = network;
  const { parts, trainer, behaviour, stage, origin } = opened;
  const shown = parts.validation && parts.validation.length > 0 ? parts.validation : parts.train;
  const batch = await batchOf(opened, shown, samples);
  const key = { stage, step: origin.step ?? 0 };
  const { channelOrder } = behaviour.images;
  const options = { channelOrder, modality, samples };
  const files = await writing(out, () =>
    writeReconstructions(trainer, batch, key, out, parts.tokenizer, options),
  );
  const count = Math.min(samples, shown.length);
  return { modality, samples: count, files, warnings: warningsFor(opened, modality) };
}
