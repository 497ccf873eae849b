/**
 * What replay costs: the replay step of the base model beside the same student's step without teacher and mixup.
 *
 * Invariant: `targets given` is the same student's step on mixed inputs whose targets were made before, so the rest of
 * its time is what replay costs.
 */
import type { Contender, Variant } from "../harness/variant.js";
import { ourWorker } from "./commands.js";
import { stepFlops } from "./flops.js";
import type { Options } from "./options.js";
import { agreement, configurationOf, type StepConfiguration } from "./step.js";

function contenders(configuration: StepConfiguration): Contender[] {
  const command = ourWorker("medcoss-step", configuration.threads);
  const given: StepConfiguration = { ...configuration, givenTargets: true };
  return [
    { name: "medcoss", command, configuration },
    { name: "targets given", command, configuration: given, check: "none" },
  ];
}

export function replayVariants(options: Options): Variant[] {
  const { batches, kinds, precisions } = options;
  return batches.flatMap((batch) =>
    kinds.flatMap((kind) =>
      precisions.map((precision) => {
        const configuration = configurationOf(kind, "replay", precision, batch, options);
        return {
          case: `replay ${kind} ${precision} batch ${batch}`,
          contenders: contenders(configuration),
          baseline: "targets given",
          samplesPerStep: batch,
          flopsPerStep: stepFlops(kind, "replay", configuration.lengths),
          precision,
          agreement: agreement[precision],
        };
      }),
    ),
  );
}

export const replayMethod = [
  "Base model with a teacher of other weights; full replay step with AdamW",
  "`targets given`: the same step of the student alone; 1 / ratio of `medcoss` is what teacher and mixup cost",
];
