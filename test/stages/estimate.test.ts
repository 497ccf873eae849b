import t from "tap";
import { models, nativeModelSize } from "../../lib/config/models.js";
import { diskBytes, memoryBytes, parameterCount } from "../../lib/stages/estimate.js";

const base = nativeModelSize(models.base(), 0);
const options = { together: 16, maskRatio: 0.75, words: 0.15, bf16: false, recompute: false };

t.equal(parameterCount(base), 199_205_635, "the published number of values");

t.test("memory grows with the batch and shrinks with bf16 and recomputation", async (t) => {
  for (const kind of ["text", "image2d", "volume3d"] as const) {
    const one = memoryBytes(base, kind, { ...options, together: 1 });
    const many = memoryBytes(base, kind, options);
    t.ok(one > parameterCount(base) * 16);
    t.ok(many > one);
    t.ok(memoryBytes(base, kind, { ...options, bf16: true }) < many);
    t.ok(memoryBytes(base, kind, { ...options, recompute: true }) < many);
  }
});

t.test("disk counts two checkpoints a stage, one in writing and the final model", async (t) => {
  t.equal(diskBytes(base, 5), parameterCount(base) * (12 * 11 + 4));
});
