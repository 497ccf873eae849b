import t from "tap";
import { estimateStep } from "../../lib/stages/time-step.js";

/** A step of `fixed` seconds and `each` for a sample, and the samples of every step that was asked for. */
function steps(fixed: number, each: number, first = 1) {
  const asked: number[] = [];
  const time = async (samples: number) => {
    const isNew = !asked.includes(samples);
    asked.push(samples);
    return (fixed + each * samples) * (isNew ? first : 1);
  };
  return { asked, time };
}

const cpu = { whole: false, warmUp: 1 };

t.test("short steps are timed on the whole batch, the first of a size left out", async (t) => {
  const { asked, time } = steps(0.06, 0.002, 10);
  t.equal(await estimateStep(10, time, cpu), 0.06 + 0.002 * 10);
  t.same([...new Set(asked)], [2, 4, 8, 10]);
  t.equal(asked.filter((samples) => samples === 10).length, 4);
});

t.test("long steps are timed on parts, and what does not grow is counted once", async (t) => {
  const { asked, time } = steps(2, 0.5);
  t.ok(Math.abs((await estimateStep(64, time, cpu)) - (2 + 0.5 * 64)) < 1e-9);
  t.same(asked, [2, 2, 4, 4]);
  const growing = steps(0.1, 0.1);
  t.ok(Math.abs((await estimateStep(64, growing.time, cpu)) - (0.1 + 0.1 * 64)) < 1e-9);
  t.same(growing.asked, [2, 2, 4, 4, 8, 8]);
});

t.test("the median of short steps counts; a slope is never under nothing", async (t) => {
  const times = [9, 0.2, 0.1, 0.2, 9, 0.2, 0.1, 0.1];
  t.equal(await estimateStep(4, async () => times.shift() as number, cpu), 0.1);
  const noisy = [0, 3, 0, 2];
  t.equal(await estimateStep(8, async () => noisy.shift() as number, cpu), 2);
});

t.test("batches of one or two, and devices that record steps, take the whole batch", async (t) => {
  for (const batch of [1, 2]) {
    const { asked, time } = steps(1, 1);
    t.equal(await estimateStep(batch, time, cpu), 1 + batch);
    t.same(asked, [batch, batch]);
  }
  const { asked, time } = steps(0.01, 0);
  t.equal(await estimateStep(64, time, { whole: true, warmUp: 2 }), 0.01);
  t.same(asked, [64, 64, 64, 64, 64]);
});
