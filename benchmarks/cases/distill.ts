/**
 * The distillation loss of replay steps with its gradient, beside plain PyTorch.
 *
 * Invariant: a step is so many passes forward and back over features that are in memory already; copies between
 * JavaScript and native code, which a training step does not make, are not timed.
 */
import { models } from "../../lib/config/models.js";
import type { Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import { type Kind, keptRows, textLengths } from "./inputs.js";
import type { Options } from "./options.js";

export interface DistillConfiguration {
  shape: [number, number, number];
  /** Real tokens of each text; none where all rows count. */
  lengths?: number[];
  passes: number;
  threads: number;
}

const PASSES = 20;

function variantsOf(kind: Kind, { batches, threads }: Options): Variant[] {
  return batches.map((batch) => {
    const shape: [number, number, number] = [batch, keptRows[kind], models.base().encoderWidth];
    const masked = kind === "text" && { lengths: textLengths(batch) };
    const configuration: DistillConfiguration = { shape, passes: PASSES, threads, ...masked };
    const worker = ourWorker("medcoss-distill", threads);
    return {
      case: `distill ${kind} fp32 batch ${batch}`,
      contenders: [
        { name: "medcoss", command: worker, configuration },
        { name: "pytorch", command: peerWorker("distill", threads), configuration },
      ],
      baseline: "pytorch",
      samplesPerStep: batch * PASSES,
      // Difference, square and sum forward; difference and scale back.
      flopsPerStep: 5 * shape.reduce((a, b) => a * b) * PASSES,
      agreement: { loss: 1e-5, gradientNorm: 1e-5 },
      plan: { rounds: 15 },
    };
  });
}

export function distillVariants(options: Options): Variant[] {
  return options.kinds.flatMap((kind) => variantsOf(kind, options));
}

export const distillMethod = [
  `A step is ${PASSES} times loss and gradient; equal generated features, padding of texts left out`,
];
