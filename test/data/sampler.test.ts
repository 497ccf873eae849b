import t from "tap";
import { permutation, SORT_LIMIT, sampler } from "../../lib/data/sampler.js";
import { Draws, Purpose } from "../../lib/random.js";

t.test("both permutations visit every record once, and differ from the identity", async (t) => {
  for (const n of [1, 2, 3, 100, SORT_LIMIT, SORT_LIMIT + 1, 70_001]) {
    const order = permutation(n, new Draws(7, 1, 0, Purpose.sampleOrder));
    const seen = new Uint8Array(n);
    let fixed = 0;
    for (let i = 0; i < n; i++) {
      const value = order(i);
      seen[value] = 1;
      if (value === i) fixed++;
    }
    t.ok(
      seen.every((one) => one === 1),
      `${n}`,
    );
    if (n > 100) t.ok(fixed < 20, `${fixed} fixed of ${n}`);
  }
});

t.test("the Feistel permutation has no trend", async (t) => {
  const n = 100_000;
  const order = permutation(n, new Draws(1, 1, 0, Purpose.sampleOrder));
  let sum = 0;
  for (let i = 0; i < 10_000; i++) sum += order(i);
  t.ok(Math.abs(sum / 10_000 / n - 0.5) < 0.02);
});

const base = { length: 23, batchSize: 4, seed: 5, stage: 2 };

t.test("an epoch drops what fills no batch and the next has another order", async (t) => {
  const at = sampler({ ...base, sampling: "permutation" });
  const epoch = (n: number) => [0, 1, 2, 3, 4].flatMap((i) => [...at(n * 5 + i)]);
  t.equal(new Set(epoch(0)).size, 20);
  t.equal(new Set(epoch(1)).size, 20);
  t.notSame(epoch(0), epoch(1));
  t.same(sampler({ ...base, sampling: "permutation" })(7), at(7), "any order of access");
  t.notSame(sampler({ ...base, seed: 6, sampling: "permutation" })(0), at(0));
  t.notSame(sampler({ ...base, stage: 3, sampling: "permutation" })(0), at(0));
});

t.test("with replacement draws uniformly", async (t) => {
  const at = sampler({ ...base, sampling: "with-replacement" });
  const counts = new Uint32Array(23);
  for (let step = 0; step < 2000; step++)
    for (const i of at(step)) counts[i] = (counts[i] ?? 0) + 1;
  const expected = 8000 / 23;
  t.ok(counts.every((count) => Math.abs(count - expected) < 5 * Math.sqrt(expected)));
  t.same(at(11), sampler({ ...base, sampling: "with-replacement" })(11));
});
