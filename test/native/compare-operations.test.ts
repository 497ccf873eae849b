import t from "tap";
import { compareOperations } from "../../lib/trainer.js";

t.test("every operation is compared, and the CPU agrees with itself", async (t) => {
  const { comparisons, timings } = await compareOperations("cpu");
  t.ok(comparisons.length > 500);
  const isExact = ({ name }: { name: string }) => /linear|in float64/.test(name);
  const exact = comparisons.filter(isExact);
  t.ok(exact.filter(({ name }) => name.includes("linear")).length >= 100);
  t.ok(exact.filter(({ name }) => name.includes("attention")).length >= 200);
  t.same(
    exact.filter(({ error, bound }) => !(error <= bound)),
    [],
    "products and attention are those of float64, rounded",
  );
  t.same(
    comparisons.filter((one) => !isExact(one) && one.error !== 0),
    [],
  );
  t.same(timings, [], "only a GPU is timed");
});

t.test("a device that is not there is refused", async (t) => {
  await t.rejects(compareOperations("tpu"), { code: "E_ARGUMENT" });
});
