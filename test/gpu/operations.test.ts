/** Every operation of a CUDA device, gradients included, beside its oracle on the CPU. */
import t from "tap";
import { loadBinding } from "../../lib/native/load.js";
import { openGpu } from "../helpers/gpu.js";

const { skip } = await openGpu();

t.test("operations are those of the CPU", { ...(skip && { skip }) }, async (t) => {
  const { comparisons } = await loadBinding().compareOperations({ device: "cuda", timed: false });
  const wrong = comparisons.filter(({ error, bound }) => !(error <= bound));
  t.same(wrong, [], `${comparisons.length} comparisons`);
  const compared = new Set(comparisons.map(({ name }) => name.replace(/^.*: /, "")));
  const optimizer = comparisons.filter(({ name }) => /^adamw clipped/.test(name));
  t.ok(optimizer.length > 50, "the optimiser is compared where it clips too");
  for (const result of [
    "out",
    "dq",
    "residual_layer_norm dx",
    "bias_gelu du",
    "word dweight",
    "patch gradient",
  ]) {
    t.ok(compared.has(result), `${result} is compared`);
  }
});
