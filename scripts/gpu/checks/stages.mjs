/** Five stages of a tiny network with buffers between them, from the packed demo corpora. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBuffer } from "../../../lib/replay/buffer-file.js";
import { pretrain } from "../../../lib/stages/pretrain.js";
import { device, Part } from "../part.mjs";

const STEPS = 40;
const part = new Part("stages");
const folder = mkdtempSync(join(tmpdir(), "medcoss-gpu-"));

for (const precision of /** @type {const} */ (["fp32", "bf16"])) {
  await part.attempt(`five stages in ${precision}`, async () => {
    const out = join(folder, precision);
    const training = /** @type {const} */ ({
      model: "tiny",
      batchSize: 4,
      seed: 0,
      device,
      precision,
    });
    const limits = { epochs: STEPS, maxSteps: STEPS, validateEvery: STEPS };
    const { stages } = await pretrain({ store: "store", out, ...training, ...limits });
    part.claim(stages.length === 5, `${precision}: five stages`);
    for (const { modality, ...stage } of stages) {
      const { before, after } = stage.validationLoss ?? stage.trainingLoss;
      const learns = after < before && stage.skippedSteps === 0;
      part.claim(
        learns,
        `${precision}: ${modality} learns`,
        `${before.toFixed(3)} to ${after.toFixed(3)}`,
      );
      const samples = stage.buffer && (await readBuffer(join(out, stage.buffer))).samples.length;
      const speed = stage.samplesPerSecond.toFixed(0);
      part.row(precision, {
        ...{ stage: modality, before, after, "replay steps": stage.replaySteps },
        ...{
          "buffer samples": samples ?? 0,
          "samples/s": speed,
          seconds: stage.seconds.toFixed(1),
        },
      });
    }
    const buffers = stages.filter(({ buffer }) => buffer !== undefined);
    part.claim(buffers.length === 5, `${precision}: a buffer after each stage`);
    const replayed = stages.slice(1).every(({ replaySteps }) => replaySteps > 0);
    part.claim(replayed, `${precision}: later stages replay`);
  });
}
rmSync(folder, { recursive: true, force: true });
