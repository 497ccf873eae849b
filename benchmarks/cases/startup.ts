/**
 * Start-up time: from the start of a process to the end of the first training step of the tiny model.
 *
 * Invariant: every turn is a fresh process; before timing each contender's step has a finite loss.
 */
import type { Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import type { Options } from "./options.js";

export interface StartupConfiguration {
  device: string;
  threads: number;
}

export function startupVariants({ device, threads }: Options): Variant[] {
  const configuration: StartupConfiguration = { device, threads };
  return [
    {
      case: "startup to the end of the first step",
      contenders: [
        {
          name: "medcoss",
          command: ourWorker("medcoss-startup", threads),
          configuration,
          check: "own",
        },
        { name: "pytorch", command: peerWorker("startup", threads), configuration, check: "own" },
      ],
      baseline: "pytorch",
      samplesPerStep: 1,
      flopsPerStep: 0,
      agreement: {},
    },
  ];
}

export const startupMethod = [
  "A fresh process each turn: Node.js imports the compiled package, or Python imports torch; tiny model with random weights, two images",
  "Memory is that of the process that starts them",
];
