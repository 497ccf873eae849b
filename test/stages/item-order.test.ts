import t from "tap";
import {
  type ItemCounts,
  type ItemOrder,
  itemOrder,
  type Turn,
} from "../../lib/stages/item-order.js";

const counts: ItemCounts = { own: 7, replayed: [1, 3] };
const [seed, stage] = [5, 3];

function turns(order: ItemOrder, from = 0, to = order.steps): Turn[] {
  return Array.from({ length: to - from }, (_, at) => order.turn(from + at));
}

/** How many of `all` each source has. */
function shares(all: readonly Turn[]): number[] {
  return [0, 1, 2].map((source) => all.filter((turn) => turn.source === source).length);
}

t.test("an epoch holds every modality as often as its count says", async (t) => {
  const order = itemOrder(counts, 21, seed, stage);
  t.equal(order.stepsPerEpoch, 11);
  t.equal(order.steps, 33);
  t.same(order.counts, [21, 3, 9]);
  for (const epoch of [0, 1, 2]) {
    t.same(shares(turns(order, epoch * 11, (epoch + 1) * 11)), [7, 1, 3]);
  }
});

t.test("batches of each modality come in the order of their numbers, each once", async (t) => {
  const all = turns(itemOrder(counts, 21, seed, stage));
  for (const [source, total] of [21, 3, 9].entries()) {
    const ordinals = all.filter((turn) => turn.source === source).map(({ ordinal }) => ordinal);
    t.same(
      ordinals,
      Array.from({ length: total }, (_, at) => at),
    );
  }
});

t.test("a last epoch cut short replays its share, rounded up", async (t) => {
  for (const [ownSteps, rest] of [
    [1, [1, 1, 1]],
    [2, [2, 1, 1]],
    [3, [3, 1, 2]],
    [9, [2, 1, 1]],
    [13, [6, 1, 3]],
    [14, [7, 1, 3]],
  ] as const) {
    const order = itemOrder(counts, ownSteps, seed, stage);
    const whole = Math.floor((ownSteps - 1) / 7) * 11;
    t.same(shares(turns(order, whole)), rest, `${ownSteps} own steps`);
    t.equal(order.steps, whole + rest[0] + rest[1] + rest[2]);
    t.equal(shares(turns(order))[0], ownSteps);
  }
});

t.test("without replay the steps are the batches", async (t) => {
  const order = itemOrder({ own: 4, replayed: [] }, 10, seed, stage);
  t.equal(order.steps, 10);
  t.same(
    turns(order),
    Array.from({ length: 10 }, (_, ordinal) => ({ source: 0, ordinal })),
  );
});

t.test("a function of seed, stage and epoch, whatever was asked before", async (t) => {
  const order = itemOrder(counts, 25, seed, stage);
  const expected = turns(order);
  const backwards = itemOrder(counts, 25, seed, stage);
  for (let step = order.steps - 1; step >= 0; step--) {
    t.same(backwards.turn(step), expected[step]);
    t.same(itemOrder(counts, 25, seed, stage).turn(step), expected[step], "asked alone");
  }
  const sources = (of: ItemOrder, epoch: number) =>
    turns(of, epoch * 11, (epoch + 1) * 11).map(({ source }) => source);
  t.same(sources(itemOrder(counts, 70, seed, stage), 2), sources(order, 2), "not of the length");
  t.notSame(sources(order, 0), sources(order, 1), "not of the epoch alone");
  t.notSame(sources(itemOrder(counts, 25, seed + 1, stage), 0), sources(order, 0));
  t.notSame(sources(itemOrder(counts, 25, seed, stage + 1), 0), sources(order, 0));
});

t.test("replay is spread over the epoch", async (t) => {
  const order = itemOrder({ own: 90, replayed: [10] }, 9000, seed, stage);
  const at = turns(order).flatMap(({ source }, step) => (source === 1 ? [step % 100] : []));
  t.equal(at.length, 1000);
  const mean = at.reduce((sum, step) => sum + step, 0) / at.length;
  // Standard error 28.9 / sqrt(1000) = 0.9.
  t.ok(Math.abs(mean - 49.5) < 4, `mean place ${mean}`);
  const early = at.filter((step) => step < 10).length;
  t.ok(early > 60 && early < 140, `${early} of 1000 in the first tenth`);
});
