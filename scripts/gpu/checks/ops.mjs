/** Each fused operation, gradients included, against the CPU's; and how near it comes to the memory's bandwidth. */
import { compareOperations } from "../../../lib/trainer.js";
import { device, Part } from "../part.mjs";

/** Under compute-sanitizer, whose findings are not those of this part, nothing is timed. */
const watched = process.argv[2];
const part = new Part(watched ?? "ops");
/** TB/s, read and written. */
const COPY_RATE = 4.3;

await part.attempt("operations", async () => {
  const { comparisons, timings } = await compareOperations(device, watched === undefined);
  // A claim for each result of an operation, over all shapes and types: "98x77 Float: bias_gelu du".
  /** @type {Map<string, typeof comparisons>} */
  const results = new Map();
  for (const one of comparisons) {
    const result = one.name.slice(one.name.indexOf(": ") + 2);
    results.set(result, [...(results.get(result) ?? []), one]);
  }
  for (const [result, all] of results) {
    const worst = all.reduce((a, b) => (a.error * b.bound >= b.error * a.bound ? a : b));
    const holds = all.every(({ error, bound }) => error <= bound);
    const detail = `worst of ${all.length} ${worst.error.toExponential(1)}, at most ${worst.bound} (${worst.name})`;
    part.claim(holds, result, detail);
  }
  for (const { name, microseconds, bytes } of timings) {
    const rate = bytes / microseconds / 1e6;
    console.log(`        ${name}: ${microseconds.toFixed(1)} us, ${rate.toFixed(2)} TB/s`);
    part.row(`operations, and their bytes at the ${COPY_RATE} TB/s of a large copy on an H200`, {
      ...{ operation: name, MB: Number((bytes / 1e6).toFixed(1)) },
      "us for the bytes": Number((bytes / COPY_RATE / 1e6).toFixed(1)),
      us: Number(microseconds.toFixed(1)),
      "TB/s": Number(rate.toFixed(2)),
    });
  }
});
