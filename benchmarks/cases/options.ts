/** What the command line chooses for every case. */
import type { Precision } from "../harness/peak.js";
import type { Kind } from "./inputs.js";

export const precisions = ["fp32", "bf16"] as const satisfies readonly Precision[];
export const objectives = ["plain", "replay"] as const;
export type Objective = (typeof objectives)[number];

export interface Options {
  device: string;
  threads: number;
  batches: readonly number[];
  preset: "corrected" | "published";
  kinds: readonly Kind[];
  precisions: readonly Precision[];
  objectives: readonly Objective[];
  /** Modes of `torch.compile` that are tried. */
  compileModes: readonly string[];
  /** A checkout of the published repository. */
  reference?: string;
  /** Of the contenders of a step only those that the goals compare. */
  goals: boolean;
  /** Small inputs, to see that everything works. */
  quick: boolean;
}

export const onGpu = ({ device }: Pick<Options, "device">) => device !== "cpu";
