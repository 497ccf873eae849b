import t from "tap";
import { Tally } from "../../lib/metrics/tally.js";
import type { MetricRow } from "../../lib/metrics/types.js";

function row(change: Partial<MetricRow>): MetricRow {
  return {
    time: "",
    stage: 1,
    modality: "ct",
    kind: "plain",
    epoch: 1,
    step: 1,
    loss: 1,
    lr: 0,
    samplesPerSecond: 4,
    gradientNorm: 1,
    waitMs: 0,
    ...change,
  };
}

t.test("training loss is that of the first and the last tenth, at most ten rows", async (t) => {
  const losses = (count: number) => {
    const tally = new Tally(() => 8);
    for (let step = 1; step <= count; step++) tally.add(row({ step, loss: step }));
    return tally.trainingLoss;
  };
  t.same(losses(3), { before: 1, after: 3 });
  t.same(losses(20), { before: 1.5, after: 19.5 });
  t.same(losses(200), { before: 5.5, after: 195.5 });
});

t.test("time and samples count what lies between rows", async (t) => {
  const tally = new Tally(() => 8);
  tally.add(row({ step: 10, samplesPerSecond: 4 }));
  tally.add(row({ step: 20, samplesPerSecond: 8 }));
  t.equal(tally.samples, 160);
  t.equal(tally.seconds, 30);
});

t.test("steps that are not finite are counted and left out of the means", async (t) => {
  const tally = new Tally(() => 8);
  tally.add(row({ step: 1, loss: 2 }));
  tally.add(row({ step: 2, loss: null }));
  tally.add(row({ step: 3, loss: 4 }));
  t.equal(tally.skipped, 1);
  t.equal(tally.epochLoss, 3);
  tally.add(row({ step: 4, epoch: 2, loss: 7 }));
  t.equal(tally.epochLoss, 7);
});

t.test("validation is the first and the latest", async (t) => {
  const tally = new Tally(() => 8);
  t.equal(tally.validationLoss, undefined);
  tally.add(row({ kind: "validation", step: 0, loss: 3 }));
  t.ok(tally.validatedAt(0));
  tally.add(row({ kind: "validation", step: 5, loss: null }));
  t.ok(tally.validatedAt(5));
  tally.add(row({ kind: "validation", step: 9, loss: 1 }));
  t.same(tally.validationLoss, { before: 3, after: 1 });
  t.notOk(tally.validatedAt(5));
});
