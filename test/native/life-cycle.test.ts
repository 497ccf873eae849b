import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import t from "tap";
import { loadBinding } from "../../lib/native/load.js";
import { Trainer } from "../../lib/trainer.js";
import { key, microBatches, microOptions, plain, textBatch } from "../helpers/trainer.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
const closed = { name: "MedcossError", code: "E_CLOSED" };

t.test("every method of a closed trainer is refused; closing again is not", async (t) => {
  const trainer = await Trainer.create(microOptions());
  await trainer.close();
  await trainer.close();
  const batch = textBatch();
  await t.rejects(trainer.trainStep(batch, key(0), plain), closed);
  await t.rejects(trainer.evaluate(batch, key(0)), closed);
  await t.rejects(trainer.features(batch), closed);
  await t.rejects(trainer.reconstruct(batch, key(0)), closed);
  await t.rejects(trainer.probe(batch, key(0), { objective: "plain" }), closed);
  await t.rejects(trainer.parameterNorms(), closed);
  await t.rejects(trainer.save("."), closed);
  await t.rejects(trainer.load("."), closed);
});

t.test("closing waits for the calls made before, in their order", async (t) => {
  const trainer = await Trainer.create(microOptions());
  const order: string[] = [];
  const calls = microBatches().map((batch, i) =>
    trainer.trainStep(batch, key(i), plain).then((result) => {
      order.push(batch.kind);
      return result;
    }),
  );
  const closes = [trainer.close(), trainer.close()].map((done) =>
    done.then(() => order.push("closed")),
  );
  await t.rejects(trainer.evaluate(textBatch(), key(0)), closed, "already while closing");
  const results = await Promise.all(calls);
  await Promise.all(closes);
  t.same(order, ["text", "image2d", "volume3d", "closed", "closed"]);
  t.ok(results.every((result) => result.samples === 2 && result.loss > 0));
});

t.test("await using closes", async (t) => {
  let kept: Trainer;
  {
    await using trainer = await Trainer.create(microOptions());
    kept = trainer;
    t.ok((await trainer.evaluate(textBatch(), key(0))).loss > 0);
  }
  await t.rejects(kept.evaluate(textBatch(), key(0)), closed);
});

t.test("a busy trainer is not collected", async (t) => {
  const { Trainer: Native } = loadBinding();
  const calls = [0, 1, 2, 3].map((i) =>
    new Native(microOptions()).trainStep(textBatch(), key(i), plain),
  );
  for (let i = 0; i < 5; i++) {
    collect();
    await turn();
  }
  const results = await Promise.all(calls);
  t.ok(results.every((result) => result.loss > 0));
});

t.test("trainers dropped without closing are collected and their threads end", async (t) => {
  const { readdirSync } = await import("node:fs");
  const threads = () => readdirSync("/proc/self/task").length;
  const { Trainer: Native } = loadBinding();
  const before = threads();
  for (let i = 0; i < 40; i++) {
    const trainer = new Native(microOptions({ seed: i }));
    if (i % 2) await trainer.ready();
  }
  for (let i = 0; i < 200 && threads() > before + 8; i++) {
    collect();
    await turn();
  }
  t.ok(threads() <= before + 8, `${threads()} threads, ${before} before`);
});

t.test("a trainer that cannot be built says so once per call and closes", async (t) => {
  const { Trainer: Native } = loadBinding();
  const trainer = new Native(microOptions({ device: "cuda" }));
  await t.rejects(trainer.ready(), { code: "E_NO_CUDA" });
  await t.rejects(trainer.evaluate(textBatch(), key(0)), { code: "E_NO_CUDA" });
  await trainer.close();
  await t.rejects(trainer.ready(), { code: "E_CLOSED" });
});
