import t from "tap";
import { Checks } from "../../lib/golden/checks.js";
import type { Tensor } from "../../lib/safetensors.js";

/** Whether the only check that `make` adds passes. */
function passes(make: (checks: Checks) => void): boolean {
  const checks = new Checks();
  make(checks);
  if (checks.all.length !== 1) throw new Error(`${checks.all.length} checks instead of one`);
  return checks.all[0]?.passed === true;
}

const tensor = (...values: number[]): Tensor => ({
  dtype: "F32",
  shape: [values.length],
  data: Float32Array.from(values),
});

t.test("losses and norms: relative 1e-5", (t) => {
  t.ok(passes((checks) => checks.relative("c", "loss", 2.000019, 2)));
  t.notOk(passes((checks) => checks.relative("c", "loss", 2.000021, 2)));
  t.notOk(passes((checks) => checks.relative("c", "loss", Number.NaN, 2)));
  t.end();
});

t.test("features: 1e-4 of the stored standard deviation", (t) => {
  // Unbiased standard deviation 2.
  const want = tensor(-2, 0, 2);
  const off = (by: number) => Float64Array.of(-2, 0, 2 + by);
  t.ok(passes((checks) => checks.features("c", "x", off(1.9e-4), want)));
  t.notOk(passes((checks) => checks.features("c", "x", off(2.1e-4), want)));
  t.notOk(passes((checks) => checks.features("c", "x", off(Number.NaN), want)));
  t.notOk(
    passes((checks) => checks.features("c", "x", [-2, 2, -2], want)),
    "another length",
  );
  t.end();
});

t.test("masks and labels: equal", (t) => {
  t.ok(passes((checks) => checks.equal("c", "mask", [0, 1, 1], [0, 1, 1])));
  t.notOk(passes((checks) => checks.equal("c", "mask", [0, 1, 0], [0, 1, 1])));
  t.end();
});

t.test("centres: 1e-4", (t) => {
  t.ok(passes((checks) => checks.centres("c", [1.00009], tensor(1))));
  t.notOk(passes((checks) => checks.centres("c", [1.00011], tensor(1))));
  t.end();
});

t.test("moments are compared where they are stored", (t) => {
  const checks = new Checks();
  checks.moments("c", [1, 2, 3], 2, 1);
  checks.moments("c", [1, 2, 3], 2.1, undefined);
  checks.moments("c", [1, 2, 3], undefined, 1.1);
  checks.moments("c", [1, 2, 3]);
  t.strictSame(
    checks.all.map(({ name, passed }) => [name, passed]),
    [
      ["feature_mean", true],
      ["feature_std", true],
      ["feature_mean", false],
      ["feature_std", false],
    ],
  );
  t.end();
});

t.test("gradients: one check per parameter, of its norm and its samples", (t) => {
  // 16 values of norm 4: typically 1 each, so samples may be off by 1e-3.
  const want = { l2: 4, at: [0, 15], val: [1, 0.5] };
  const gradient = (l2: number, ...values: number[]) =>
    passes((checks) => checks.gradients("c", { w: { l2, values } }, { w: want }));
  t.ok(gradient(4.0003, 1.0009, 0.4991));
  t.notOk(gradient(4.0005, 1, 0.5), "norm");
  t.notOk(gradient(4, 1, 0.5011), "sample");
  t.notOk(gradient(4, Number.NaN, 0.5), "not a number");
  t.notOk(gradient(Number.NaN, 1, 0.5), "norm not a number");
  const small = { l2: 1e-6, at: [0, 3], val: [0, 0] };
  const tiny = (l2: number, value: number) =>
    passes((checks) => checks.gradients("c", { w: { l2, values: [0, value] } }, { w: small }));
  t.ok(tiny(1.09e-6, 0.9e-9), "small norms are compared absolutely");
  t.notOk(tiny(1.11e-6, 0));
  t.end();
});

t.test("a gradient on one side only fails", (t) => {
  const have = { l2: 1, values: [1] };
  const want = { l2: 1, at: [0], val: [1] };
  t.notOk(passes((checks) => checks.gradients("c", {}, { w: want })));
  t.notOk(passes((checks) => checks.gradients("c", { w: have }, {})));
  t.end();
});

t.test("each check is told as it is made", (t) => {
  const seen: string[] = [];
  const checks = new Checks(({ name }) => seen.push(name));
  checks.relative("c", "one", 1, 1);
  checks.relative("c", "two", 1, 1);
  t.strictSame(seen, ["one", "two"]);
  t.end();
});
