import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ourSavings, stepFlops } from "../../benchmarks/cases/flops.js";
import { type Kind, textLengths } from "../../benchmarks/cases/inputs.js";
import type { Objective } from "../../benchmarks/cases/options.js";
import { trained } from "../../benchmarks/cases/state.js";
import { packageRoot } from "../helpers/package-root.js";

// What PyTorch's FLOP counter finds in the plain peer: `python benchmarks/peers/count_flops.py`.
type Counts = Record<Objective, { flops: number; trained: number }>;
const file = join(packageRoot, "test/fixtures/benchmarks/flops.json");
const { batch, counts } = JSON.parse(readFileSync(file, "utf8"));

for (const [kind, objectives] of Object.entries(counts) as [Kind, Counts][])
  for (const [objective, found] of Object.entries(objectives) as [Objective, Counts[Objective]][])
    t.test(`${kind}, ${objective}: the stated counts are the counter's`, (t) => {
      t.equal(stepFlops(kind, objective, textLengths(batch)), found.flops);
      t.equal(trained[kind][objective], found.trained);
      t.end();
    });

t.test("published estimates: about 58.7 GFLOP an image and 46.6 a volume", (t) => {
  t.ok(Math.abs(stepFlops("image2d", "plain", [112]) / 58.7e9 - 1) < 0.02);
  t.ok(Math.abs(stepFlops("volume3d", "plain", [112]) / 46.6e9 - 1) < 0.04);
  t.end();
});

t.test("what is left out is counted out", (t) => {
  const share = (kind: Kind, objective: Objective, device: string) =>
    stepFlops(kind, objective, textLengths(64), ourSavings(device)) /
    stepFlops(kind, objective, textLengths(64));
  for (const kind of ["image2d", "volume3d"] as const) {
    t.ok(share(kind, "plain", "cpu") > 0.85 && share(kind, "plain", "cpu") < 0.97);
    t.ok(share(kind, "plain", "cuda") > share(kind, "plain", "cpu"), "a GPU drops no branch");
    t.ok(share(kind, "replay", "cuda") < 1, "patches that are not kept");
  }
  t.ok(share("text", "replay", "cuda") < 0.7, "padding");
  t.ok(share("text", "plain", "cuda") < 0.5, "padding, and words without a label");
  t.end();
});
