/**
 * The replay step of the base model: teacher, mixup and distillation, with AdamW.
 *
 * Invariant: `targets given` is the same student's step on mixed inputs whose targets were made before, so the rest of
 * its time is what replay costs.
 */
import type { Contender, Variant } from "../harness/measure.js";
import { ourWorker, peerWorker } from "./commands.js";
import { replayFlops } from "./flops.js";
import type { Kind } from "./inputs.js";
import { agreement, type Precision, type StepOptions, textLengths } from "./step.js";

export interface ReplayConfiguration {
  kind: Kind;
  precision: Precision;
  lengths: number[];
  batch: number;
  device: string;
  threads: number;
  preset: "corrected" | "published";
  givenTargets: boolean;
}

function contenders(configuration: ReplayConfiguration): Contender[] {
  const { threads } = configuration;
  const command = ourWorker("medcoss-replay", threads);
  const given = { ...configuration, givenTargets: true };
  return [
    { name: "medcoss", command, configuration },
    { name: "targets given", command, configuration: given, unchecked: true },
    { name: "pytorch", command: peerWorker("replay", threads), configuration },
  ];
}

export function replayVariants(options: StepOptions): Variant[] {
  const { batch, device, threads, preset, kinds, precisions } = options;
  const shared = { lengths: textLengths(batch), batch, device, threads, preset };
  return kinds.flatMap((kind) =>
    precisions.map((precision) => ({
      case: `replay ${kind} ${precision} batch ${batch}`,
      contenders: contenders({ ...shared, kind, precision, givenTargets: false }),
      baseline: "targets given",
      samplesPerStep: batch,
      flopsPerStep: batch * replayFlops(kind),
      agreement: agreement[precision],
      plan: { warmups: 1, rounds: 5 },
    })),
  );
}

export const replayMethod = [
  "Base model with a teacher of other weights; full replay step with AdamW",
  "`targets given`: the same step of the student alone; 1 / ratio of `medcoss` is what teacher and mixup cost",
  "TFLOP/s: operations of the plain computation of student and teacher over seconds, for every contender",
];
