/**
 * The full training step of the base model (forward, backward, AdamW), plain or replay, for each kind of input.
 *
 * Invariant: contenders get equal weights and inputs, and the FLOP count is that of the plain computation, with every
 * padded token and every prediction, whatever a contender leaves out.
 */
import { hasReference } from "../harness/correctness.js";
import type { Precision } from "../harness/peak.js";
import type { Contender, Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import { ourSavings, type Savings, stepFlops } from "./flops.js";
import { type Kind, textLengths } from "./inputs.js";
import { type Objective, type Options, onGpu } from "./options.js";
import { stateBytes } from "./state.js";

/** What a worker is told; `lengths` are real tokens of each text, and its number is the batch. */
export interface StepConfiguration {
  kind: Kind;
  objective: Objective;
  precision: Precision;
  lengths: number[];
  /** Of the batch on which contenders agree. */
  checkLengths: number[];
  /** Steps of a turn; more than one keeps a GPU busy between two synchronisations. */
  repeat: number;
  device: string;
  threads: number;
  preset: "corrected" | "published";
  seed: number;
  /** Mode of `torch.compile`; eager without. */
  compile?: string;
  reference?: string;
  /** Replay without teacher and mixup, on targets made before. */
  givenTargets?: true;
}

/** Relative limits; bf16 has eight bits and rounds at other places in each contender. */
export const agreement = {
  fp32: { loss: 1e-5, gradientNorm: 1e-4 },
  bf16: { loss: 5e-3, gradientNorm: 3e-2 },
} as const;

const GPU_REPEAT = 10;

export function configurationOf(
  kind: Kind,
  objective: Objective,
  precision: Precision,
  batch: number,
  options: Options,
): StepConfiguration {
  const { device, threads, preset } = options;
  const lengths = textLengths(batch);
  return {
    ...{ kind, objective, precision, lengths, device, threads, preset, seed: 0 },
    // One shape on a GPU, so that nothing is compiled or captured twice.
    checkLengths: onGpu(options) ? lengths : textLengths(2),
    repeat: onGpu(options) ? GPU_REPEAT : 1,
  };
}

/** Contenders of a step; `published` takes part with a checkout of the repository. */
function contenders(configuration: StepConfiguration, options: Options): Contender[] {
  const { kind, objective, lengths, device, threads } = configuration;
  const flops = (savings: Savings) => ({
    executedFlops: stepFlops(kind, objective, lengths, savings),
  });
  const tuned = { command: peerWorker("tuned", threads), ...flops({ maskedOnly: true }) };
  const { reference } = options;
  return [
    {
      name: "medcoss",
      command: ourWorker("medcoss-step", threads),
      configuration,
      ...flops(ourSavings(device)),
    },
    { name: "tuned", ...tuned, configuration },
    ...options.compileModes.map((compile) => ({
      name: compile === "default" ? "compiled" : `compiled, ${compile}`,
      ...tuned,
      configuration: { ...configuration, compile },
    })),
    ...(reference === undefined
      ? []
      : [
          {
            name: "published",
            command: peerWorker("published", threads),
            configuration: { ...configuration, reference: hasReference(reference) },
            check: "own" as const,
          },
        ]),
    { name: "pytorch", command: peerWorker("step", threads), configuration },
  ];
}

/** In each precision and objective against the published engine, best practice in plain bf16 steps. */
function inGoals({ name }: Contender, { objective, precision }: StepConfiguration): boolean {
  if (name === "pytorch") return false;
  return name === "medcoss" || name === "published" || `${precision} ${objective}` === "bf16 plain";
}

function variant(configuration: StepConfiguration, options: Options): Variant {
  const { kind, objective, precision, lengths } = configuration;
  const all = contenders(configuration, options);
  return {
    case: `step ${kind} ${precision} ${objective} batch ${lengths.length}`,
    contenders: options.goals ? all.filter((one) => inGoals(one, configuration)) : all,
    baseline: options.goals ? "published" : "pytorch",
    samplesPerStep: lengths.length,
    flopsPerStep: stepFlops(kind, objective, lengths),
    precision,
    stateBytes: stateBytes(kind, objective),
    together: onGpu(options),
    agreement: agreement[precision],
  };
}

export function stepVariants(options: Options): Variant[] {
  const { batches, precisions, objectives, kinds } = options;
  return objectives.flatMap((objective) =>
    batches.flatMap((batch) =>
      precisions.flatMap((precision) =>
        kinds.map((kind) =>
          variant(configurationOf(kind, objective, precision, batch, options), options),
        ),
      ),
    ),
  );
}

export function stepMethod({ preset, device }: Options): string[] {
  return [
    `Base model, ${preset} preset, full step with AdamW; equal weights and inputs; replay with mixup and a teacher of other weights`,
    "Text: 40 to 112 real tokens of 112, evenly spread, every seventh to be predicted",
    "`pytorch`: eager modules written from the model's description, fused attention, autocast for bf16",
    "`tuned`: best practice, with fused AdamW, channels-last, decoder prediction and language head only where the loss needs them; `compiled`: the same under torch.compile as one graph",
    "`published`: model and engine of the published repository, with its own preset; before timing its losses and gradients equal those of `pytorch` with that preset",
    "Before timing the others agree on loss and gradient norm in the case's own precision",
    "TFLOP/s: operations of the plain computation (every token, every prediction) over seconds; share: operations that the contender executes over those of a matrix product in the same precision, timed between the rounds",
    ...(device === "cpu"
      ? []
      : [
          `A turn is ${GPU_REPEAT} steps between two synchronisations; peers' inputs lie on the GPU, medcoss hands each batch over anew`,
        ]),
  ];
}
