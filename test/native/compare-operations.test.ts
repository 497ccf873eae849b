import t from "tap";
import { compareOperations } from "../../lib/trainer.js";

t.test("every operation is compared, and the CPU agrees with itself", async (t) => {
  const { comparisons, timings } = await compareOperations("cpu");
  t.ok(comparisons.length > 500);
  const products = comparisons.filter(({ name }) => name.includes("linear"));
  t.ok(products.length >= 100);
  t.same(
    products.filter(({ error, bound }) => !(error <= bound)),
    [],
    "products are those of float64, rounded",
  );
  t.same(
    comparisons.filter(({ name, error }) => !name.includes("linear") && error !== 0),
    [],
  );
  t.same(timings, [], "only a GPU is timed");
});

t.test("a device that is not there is refused", async (t) => {
  await t.rejects(compareOperations("tpu"), { code: "E_ARGUMENT" });
});
