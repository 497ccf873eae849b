/**
 * What one call from JavaScript to native code costs: this package's calls beside Node.js's own, and PyTorch's from
 * Python.
 *
 * Invariant: a sample is a call, so seconds per step over the calls of a step is the price of one.
 */
import type { Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import type { Options } from "./options.js";

const ours = ["medcoss call", "medcoss promise", "node call", "node promise"] as const;

export interface CrossingConfiguration {
  call: (typeof ours)[number];
  count: number;
  threads: number;
}

export function crossingVariants({ threads, quick }: Options): Variant[] {
  const count = quick ? 1000 : 20_000;
  const command = ourWorker("crossing", threads);
  const configuration = { count, threads };
  return [
    {
      case: "crossing",
      contenders: [
        ...ours.map((call) => ({ name: call, command, configuration: { ...configuration, call } })),
        {
          name: "pytorch call",
          command: peerWorker("crossing", threads),
          configuration,
        },
      ],
      baseline: "node call",
      samplesPerStep: count,
      flopsPerStep: 0,
      agreement: {},
    },
  ];
}

export const crossingMethod = [
  "`call`: one number of the golden generator; Node's is `crypto.timingSafeEqual` of 8 bytes; PyTorch's adds two numbers in Python",
  "`promise`: the distillation loss of one number, awaited, on a thread of LibTorch's; Node's is `crypto.randomFill` of 8 bytes on libuv's",
  "A training step makes one such call, whatever the batch",
];
