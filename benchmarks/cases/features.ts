/**
 * Features of samples for clustering: the base encoder on whole inputs, mean over its tokens, beside PyTorch's
 * inference mode.
 *
 * Invariant: contenders get equal weights and inputs, and agree on the features before timing.
 */

import type { Precision } from "../harness/peak.js";
import type { Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import { featureFlops } from "./flops.js";
import { type Kind, textLengths } from "./inputs.js";
import type { Options } from "./options.js";

export interface FeaturesConfiguration {
  kind: Kind;
  precision: Precision;
  lengths: number[];
  device: string;
  threads: number;
}

/** Of norm and mean of the features; bf16 rounds at other places in each contender. */
const limits = { fp32: 1e-5, bf16: 2e-2 } as const;

function variant(kind: Kind, precision: Precision, batch: number, options: Options): Variant {
  const { device, threads } = options;
  const lengths = textLengths(batch);
  const configuration: FeaturesConfiguration = { kind, precision, lengths, device, threads };
  return {
    case: `features ${kind} ${precision} batch ${batch}`,
    contenders: [
      { name: "medcoss", command: ourWorker("medcoss-features", threads), configuration },
      { name: "pytorch", command: peerWorker("features", threads), configuration },
    ],
    baseline: "pytorch",
    samplesPerStep: batch,
    flopsPerStep: batch * featureFlops(kind),
    precision,
    agreement: { norm: limits[precision], first: 10 * limits[precision] },
  };
}

export function featuresVariants(options: Options): Variant[] {
  const { batches, kinds, precisions } = options;
  return batches.flatMap((batch) =>
    kinds.flatMap((kind) =>
      precisions.map((precision) => variant(kind, precision, batch, options)),
    ),
  );
}

export const featuresMethod = [
  "Base model, corrected preset, evaluation mode, nothing masked; the peer in torch.inference_mode",
  "Text: 40 to 112 real tokens of 112, evenly spread; the mean leaves padding out",
];
