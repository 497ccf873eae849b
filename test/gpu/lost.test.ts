/** A GPU that fails while steps run: on the simulated device alone, since no other can be told to fail. */
import t from "tap";
import { loadBinding } from "../../lib/native/load.js";
import { openGpu, trainerOn } from "../helpers/gpu.js";
import { imageBatch, key, microOptions } from "../helpers/trainer.js";

const { skip, simulated } = await openGpu();
const reason = skip ?? (simulated ? undefined : "a real GPU is not made to fail");
const plain = { learningRate: 1e-3, objective: "plain" as const };
const lost = {
  code: "E_CUDA",
  values: { problem: "CUDA error: uncorrectable ECC error encountered" },
};

t.test(
  "a lost device fails its own trainers, and the process goes on",
  { skip: reason },
  async (t) => {
    await using onCpu = await trainerOn("cpu");
    for (const graphs of [false, true]) {
      delete process.env.MEDCOSS_SIMULATED_LOST;
      await using trainer = await trainerOn("cuda", { graphs });
      for (const step of [0, 1, 2]) await trainer.trainStep(imageBatch(), key(step), plain);
      const running = [3, 4].map((step) => trainer.trainStep(imageBatch(), key(step), plain));
      process.env.MEDCOSS_SIMULATED_LOST = "1";
      const ends = await Promise.allSettled(running);
      for (const end of ends) if (end.status === "rejected") t.match(end.reason, lost);
      await t.rejects(trainer.trainStep(imageBatch(), key(5), plain), lost);
      await t.rejects(trainer.evaluate(imageBatch(), key(5)), lost);
      await t.rejects(trainer.features(imageBatch(), key(5)), lost);
      t.notOk((await onCpu.trainStep(imageBatch(), key(0), plain)).skipped, "the CPU's goes on");
      const { Trainer } = loadBinding();
      const another = new Trainer(microOptions({ device: "cuda", graphs }));
      await t.rejects(another.ready(), lost);
      await another.close();
      await trainer.close();
    }
    delete process.env.MEDCOSS_SIMULATED_LOST;
    await using again = await trainerOn("cuda");
    t.notOk(
      (await again.trainStep(imageBatch(), key(0), plain)).skipped,
      "and so does a device that is back",
    );
  },
);
