/**
 * A step of the base model in bf16: how far its loss and gradient norm are from float32, beside plain PyTorch under
 * autocast, from equal weights and inputs. At most twice as far, or within one rounding of bf16.
 */
import { ourWorker, peerWorker } from "../../../benchmarks/cases/commands.js";
import { configurationOf } from "../../../benchmarks/cases/step.js";
import { Worker } from "../../../benchmarks/harness/worker.js";
import { buildInfo } from "../../../lib/trainer.js";
import { kinds } from "../batches.mjs";
import { device, Part, relative } from "../part.mjs";

const BATCH = device === "cpu" ? 2 : 16;
/** Half of a bf16 number's last place. */
const ROUNDING = 2 ** -9;

const part = new Part("precision");
const { threads } = buildInfo();
/** @type {Pick<import("../../../benchmarks/cases/options.js").Options, "device" | "threads" | "preset">} */
const options = { device, threads, preset: "corrected" };

/**
 * What a contender computes of the check's batch.
 * @param {import("../../../benchmarks/harness/worker.js").Command} command
 * @param {import("../batches.mjs").Kind} kind @param {"fp32" | "bf16"} precision
 */
async function outcome(command, kind, precision) {
  const all = /** @type {import("../../../benchmarks/cases/options.js").Options} */ (options);
  const configuration = configurationOf(kind, "plain", precision, BATCH, all);
  const [worker] = await Worker.start(command, configuration);
  try {
    const answer = await worker.ask({ command: "check" });
    return /** @type {{ loss: number, gradientNorm: number }} */ (answer);
  } finally {
    await worker.stop();
  }
}

/** @param {import("../../../benchmarks/harness/worker.js").Command} command @param {import("../batches.mjs").Kind} kind */
async function errors(command, kind) {
  const [exact, found] = await Promise.all([
    outcome(command, kind, "fp32"),
    outcome(command, kind, "bf16"),
  ]);
  return {
    loss: relative(found.loss, exact.loss),
    gradientNorm: relative(found.gradientNorm, exact.gradientNorm),
  };
}

/** @param {import("../batches.mjs").Kind} kind */
const judge = (kind) =>
  part.attempt(kind, async () => {
    const [ours, plain] = await Promise.all([
      errors(ourWorker("medcoss-step", threads), kind),
      errors(peerWorker("step", threads), kind),
    ]);
    for (const name of /** @type {const} */ (["loss", "gradientNorm"])) {
      const holds = ours[name] <= Math.max(2 * plain[name], ROUNDING);
      const detail = `${ours[name].toExponential(1)}, plain ${plain[name].toExponential(1)}`;
      part.claim(holds, `${kind}: ${name} in bf16`, detail);
    }
  });

// All at once on a machine with cores for it: most of a worker's time is its start.
if (device === "cpu") for (const kind of kinds) await judge(kind);
else await Promise.all(kinds.map(judge));
