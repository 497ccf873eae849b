import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";

import type { Batch } from "../../lib/batch.js";

import { Trainer } from "../../lib/trainer.js";
import { key, microBatches, microOptions, plain } from "../helpers/trainer.js";

async function run(
  trainer: Trainer,
  batches: Batch[],
  from: number,
  to: number,
): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    const batch = batches[step % batches.length] as Batch;
    losses.push((await trainer.trainStep(batch, key(step), plain)).loss);
  }
  return losses;
}

t.test("saving, going on, reloading and going on again gives the same bits", async (t) => {
  const folder = t.testdir({ middle: {}, straight: {}, resumed: {} });
  const batches = microBatches();
  await using first = await Trainer.create(microOptions());
  await run(first, batches, 0, 4);
  await first.save(join(folder, "middle"));
  const straight = await run(first, batches, 4, 9);
  await first.save(join(folder, "straight"));

  await using second = await Trainer.create(microOptions({ seed: 7, stage: 5 }));
  await second.load(join(folder, "middle"));
  t.same(await run(second, batches, 4, 9), straight);
  await second.save(join(folder, "resumed"));
  for (const name of await readdir(join(folder, "straight"))) {
    const [a, b] = await Promise.all(
      ["straight", "resumed"].map((part) => readFile(join(folder, part, name))),
    );
    t.ok((a as Buffer).equals(b as Buffer), name);
  }
});

t.test("the same seed gives the same weights, another one does not", async (t) => {
  const norms = async (seed: number) => {
    await using trainer = await Trainer.create(microOptions({ seed }));
    return trainer.parameterNorms();
  };
  t.same(await norms(1), await norms(1));
  t.notSame(await norms(1), await norms(2));
});

t.test("a checkpoint of another size is refused", async (t) => {
  const folder = t.testdir({});
  await using trainer = await Trainer.create(microOptions());
  await trainer.save(folder);
  const options = microOptions();
  options.size.encoderWidth = 32;
  await using other = await Trainer.create(options);
  await t.rejects(other.load(folder), { code: "E_CHECKPOINT_SHAPE" });
  await t.rejects(other.load(join(folder, "nothing")), { code: "E_NO_CHECKPOINT" });
  await t.rejects(other.save(join(folder, "no/such/folder")), { code: "E_WRITE" });
});
