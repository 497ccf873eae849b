/** Every case by the name that the command line knows it by. */
import type { Variant } from "../harness/variant.js";
import { crossingMethod, crossingVariants } from "./crossing.js";
import { distillMethod, distillVariants } from "./distill.js";
import { featuresMethod, featuresVariants } from "./features.js";
import { kmeansMethod, kmeansVariants } from "./kmeans.js";
import { loaderMethod, loaderVariants } from "./loader.js";
import type { Options } from "./options.js";
import { packMethod, packVariants } from "./pack.js";
import { replayMethod, replayVariants } from "./replay.js";
import { stageMethod, stageVariants } from "./stage.js";
import { startupMethod, startupVariants } from "./startup.js";
import { stepMethod, stepVariants } from "./step.js";

export interface Case {
  devices: readonly ("cpu" | "cuda")[];
  /** Makes nothing yet: inputs are made when a variant is measured. */
  variants(options: Options): Variant[];
  /** Size and preset of the network that it runs, if it runs one. */
  model?(options: Options): string;
  /** Lines for the report. */
  method(options: Options): readonly string[];
}

const both = ["cpu", "cuda"] as const;
const cpuOnly = ["cpu"] as const;
const base = () => "base model, corrected preset";
const chosen = ({ preset }: Options) => `base model, ${preset} preset`;

export const cases: Record<string, Case> = {
  step: { devices: both, variants: stepVariants, model: chosen, method: stepMethod },
  replay: { devices: both, variants: replayVariants, model: chosen, method: () => replayMethod },
  kmeans: { devices: both, variants: kmeansVariants, method: () => kmeansMethod },
  distill: { devices: cpuOnly, variants: distillVariants, method: () => distillMethod },
  features: {
    devices: both,
    variants: featuresVariants,
    model: base,
    method: () => featuresMethod,
  },
  loader: { devices: cpuOnly, variants: loaderVariants, method: () => loaderMethod },
  stage: { devices: both, variants: stageVariants, model: base, method: () => stageMethod },
  crossing: { devices: cpuOnly, variants: crossingVariants, method: () => crossingMethod },
  startup: {
    ...{ devices: both, variants: startupVariants },
    model: () => "tiny model",
    method: () => startupMethod,
  },
  pack: { devices: cpuOnly, variants: packVariants, method: () => packMethod },
};
