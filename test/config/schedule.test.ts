import t from "tap";
import { learningRateAt, stageHorizon } from "../../lib/config/schedule.js";

t.test("the horizon is the smaller of epochs and max-steps", async (t) => {
  t.equal(stageHorizon(300, 10), 3000);
  t.equal(stageHorizon(300, 10, 150), 150);
  t.equal(stageHorizon(2, 10, 150), 20);
});

t.test("the rate follows the published formula over 300 epochs", async (t) => {
  const perEpoch = 7;
  const schedule = { horizon: 300 * perEpoch, peak: 3e-4, warmup: 40 / 300 };
  for (let step = 0; step < schedule.horizon; step++) {
    const epoch = step / perEpoch;
    const expected =
      epoch < 40 ? (3e-4 * epoch) / 40 : 1.5e-4 * (1 + Math.cos((Math.PI * (epoch - 40)) / 260));
    if (Math.abs(learningRateAt(step, schedule) - expected) > 1e-15) t.fail(`step ${step}`);
  }
  t.equal(learningRateAt(0, schedule), 0);
  t.ok(Math.abs(learningRateAt(schedule.horizon, schedule)) < 1e-15);
});

t.test("without warm-up it starts at the peak", async (t) => {
  t.equal(learningRateAt(0, { horizon: 10, peak: 1, warmup: 0 }), 1);
});
