/**
 * The full training step of the base model (forward, backward, AdamW) for each kind of input and precision.
 *
 * Invariant: contenders get equal weights and inputs, and the FLOP count is that of the plain computation, with every
 * padded token and every prediction, whatever a contender leaves out.
 */
import type { Contender, Variant } from "../harness/measure.js";
import { ourWorker, peerWorker } from "./commands.js";
import { stepFlops } from "./flops.js";
import { type Kind, kinds, TEXT_LENGTH } from "./inputs.js";

export const precisions = ["fp32", "bf16"] as const;
export type Precision = (typeof precisions)[number];

export interface StepOptions {
  batch: number;
  device: string;
  threads: number;
  preset: "corrected" | "published";
  kinds: readonly Kind[];
  precisions: readonly Precision[];
}

/** What a worker is told; `lengths` are real tokens of each text, and its number is the batch. */
export interface StepConfiguration {
  kind: Kind;
  precision: Precision;
  batch: number;
  lengths: number[];
  device: string;
  threads: number;
  preset: "corrected" | "published";
  seed: number;
}

const SHORTEST_TEXT = 40;
/** Relative limits; bf16 has eight bits and rounds at other places in each contender. */
export const agreement = {
  fp32: { loss: 1e-5, gradientNorm: 1e-4 },
  bf16: { loss: 5e-3, gradientNorm: 3e-2 },
} as const;

/** Evenly spread from 40 to 112 real tokens. */
export function textLengths(batch: number): number[] {
  const span = TEXT_LENGTH - SHORTEST_TEXT;
  return Array.from({ length: batch }, (_, i) =>
    Math.round(SHORTEST_TEXT + (batch > 1 ? (i * span) / (batch - 1) : span)),
  );
}

function contenders(configuration: StepConfiguration): Contender[] {
  const { threads } = configuration;
  return [
    { name: "medcoss", command: ourWorker("medcoss-step", threads), configuration },
    { name: "pytorch", command: peerWorker("step", threads), configuration },
  ];
}

function variant(kind: Kind, precision: Precision, options: StepOptions): Variant {
  const { batch, device, threads, preset } = options;
  const lengths = textLengths(batch);
  return {
    case: `step ${kind} ${precision} plain batch ${batch}`,
    contenders: contenders({ kind, precision, batch, lengths, device, threads, preset, seed: 0 }),
    baseline: "pytorch",
    samplesPerStep: batch,
    flopsPerStep: batch * stepFlops(kind),
    agreement: agreement[precision],
  };
}

export function stepVariants(options: StepOptions): Variant[] {
  const chosen = options.kinds.length > 0 ? options.kinds : kinds;
  return chosen.flatMap((kind) =>
    options.precisions.map((precision) => variant(kind, precision, options)),
  );
}
