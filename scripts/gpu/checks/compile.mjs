/**
 * Compiles the steps of the best-practice peer that `bench` measures, all at once where the GPU's memory holds them,
 * while nothing is timed: its kernels then come from torch.compile's cache.
 */
import { peerWorker } from "../../../benchmarks/cases/commands.js";
import { configurationOf } from "../../../benchmarks/cases/step.js";
import { Worker } from "../../../benchmarks/harness/worker.js";
import { buildInfo } from "../../../lib/trainer.js";
import { kinds } from "../batches.mjs";
import { batches, device, Part } from "../part.mjs";

const part = new Part("compile");
const { threads } = buildInfo();
/** MiB for the steps of three kinds at 512 and 128 samples. */
const ENOUGH = 130_000;
const allAtOnce = Number(process.env.MEDCOSS_GPU_MEMORY ?? 0) >= ENOUGH;

/** @param {import("../batches.mjs").Kind} kind @param {number} batch */
async function compile(kind, batch) {
  const all = /** @type {import("../../../benchmarks/cases/options.js").Options} */ (
    /** @type {unknown} */ ({ device, threads, preset: "corrected" })
  );
  const configuration = {
    ...configurationOf(kind, "plain", "bf16", batch, all),
    ...{ compile: "default", repeat: 1 },
  };
  const start = performance.now();
  const [worker] = await Worker.start(peerWorker("tuned", threads), configuration);
  try {
    await worker.ask({ command: "check" });
    await worker.ask({ command: "steps", count: 1 });
  } finally {
    await worker.stop();
  }
  part.row("compiled", { kind, batch, seconds: ((performance.now() - start) / 1e3).toFixed(1) });
}

if (device === "cpu") part.skip("torch.compile", "the steps of a CPU are not compiled beforehand");
else {
  const compileAll = (/** @type {number} */ batch) =>
    part.attempt(`batch ${batch}`, async () => {
      await Promise.all(kinds.map((kind) => compile(kind, batch)));
      part.claim(true, `batch ${batch} is compiled`);
    });
  if (allAtOnce) await Promise.all(batches.map(compileAll));
  else for (const batch of batches) await compileAll(batch);
}
