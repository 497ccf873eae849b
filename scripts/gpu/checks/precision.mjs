/**
 * A step of the base model in bf16: how far its gradients are from float32's, beside those of plain PyTorch under
 * autocast, from equal weights and inputs. At most twice as far, over all places that are compared and for the parameter
 * in the middle. Loss and norm are single numbers, whose errors may cancel: they are told, not judged.
 */
import { ourWorker, peerWorker } from "../../../benchmarks/cases/commands.js";
import { configurationOf } from "../../../benchmarks/cases/step.js";
import { median } from "../../../benchmarks/harness/statistics.js";
import { Worker } from "../../../benchmarks/harness/worker.js";
import { buildInfo } from "../../../lib/trainer.js";
import { kinds } from "../batches.mjs";
import { device, distance, Part, relative } from "../part.mjs";

const BATCH = device === "cpu" ? 2 : 16;
/** Gradients of each parameter that are compared. */
const COUNT = 64;
/** Of bf16's error over plain PyTorch's. */
const MOST = 2;
/** How far float32's gradients may be from each other; a GPU's convolutions take TF32 in plain PyTorch. */
const SAME = 1e-2;

const part = new Part("precision");
const { threads } = buildInfo();
/** @type {Pick<import("../../../benchmarks/cases/options.js").Options, "device" | "threads" | "preset">} */
const options = { device, threads, preset: "corrected" };

/** @typedef {Record<string, { at: number[], values: number[] }>} Gradients */
/** @typedef {{ loss: number, gradientNorm: number, gradients: Gradients }} Outcome */

/**
 * What a contender computes of the check's batch, in float32 and bf16.
 * @param {import("../../../benchmarks/harness/worker.js").Command} command @param {import("../batches.mjs").Kind} kind
 * @param {() => Promise<object>} which gradients are asked for
 */
async function outcomes(command, kind, which) {
  const all = /** @type {import("../../../benchmarks/cases/options.js").Options} */ (options);
  const of = async (/** @type {"fp32" | "bf16"} */ precision) => {
    const configuration = configurationOf(kind, "plain", precision, BATCH, all);
    const [worker] = await Worker.start(command, configuration);
    try {
      const sums = /** @type {object} */ (await worker.ask({ command: "check" }));
      const gradients = await worker.ask({ command: "gradients", ...(await which()) });
      return /** @type {Outcome} */ ({ ...sums, gradients });
    } finally {
      await worker.stop();
    }
  };
  const [exact, found] = await Promise.all([of("fp32"), of("bf16")]);
  return { exact, found };
}

/** @param {Gradients} gradients @param {readonly string[]} names */
const together = (gradients, names) => names.flatMap((name) => gradients[name]?.values ?? []);

/** The errors of a contender's bf16, relative to its float32. @param {{ exact: Outcome, found: Outcome }} outcome */
function errors({ exact, found }) {
  const names = Object.keys(exact.gradients);
  const of = (/** @type {readonly string[]} */ some) =>
    distance(together(found.gradients, some), together(exact.gradients, some));
  return {
    gradients: of(names),
    "the median parameter's gradient": median(names.map((name) => of([name]))),
    loss: relative(found.loss, exact.loss),
    "gradient norm": relative(found.gradientNorm, exact.gradientNorm),
  };
}

const JUDGED = /** @type {const} */ (["gradients", "the median parameter's gradient"]);

/** @param {import("../batches.mjs").Kind} kind */
const judge = (kind) =>
  part.attempt(kind, async () => {
    const first = outcomes(peerWorker("step", threads), kind, async () => ({ count: COUNT }));
    const places = async () => ({ places: (await first).exact.gradients });
    const second = outcomes(ourWorker("medcoss-step", threads), kind, places);
    const [plain, ours] = await Promise.all([first, second]);
    const names = Object.keys(plain.exact.gradients);
    const [a, b] = [ours, plain].map(({ exact }) => together(exact.gradients, names));
    const apart = distance(/** @type {number[]} */ (a), /** @type {number[]} */ (b));
    const detail = `${apart.toExponential(1)} apart in ${b?.length} places of ${names.length} parameters`;
    part.claim(apart <= SAME, `${kind}: float32's gradients are plain PyTorch's`, detail);
    const [own, peer] = [errors(ours), errors(plain)];
    for (const name of JUDGED) {
      const found = `${own[name].toExponential(2)}, plain ${peer[name].toExponential(2)}`;
      part.claim(own[name] <= MOST * peer[name], `${kind}: ${name} in bf16`, found);
    }
    for (const [what, error] of Object.entries(own)) {
      const beside = peer[/** @type {keyof typeof peer} */ (what)];
      const cells = { medcoss: error.toExponential(1), plain: beside.toExponential(1) };
      part.row("relative errors of bf16", { kind, what, ...cells });
    }
  });

// All at once on a machine with cores for it: most of a worker's time is its start.
if (device === "cpu") for (const kind of kinds) await judge(kind);
else await Promise.all(kinds.map(judge));
