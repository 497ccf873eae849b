import t from "tap";
import { MedcossError } from "../../lib/errors.js";
import { loadBinding } from "../../lib/native/load.js";
import { Trainer } from "../../lib/trainer.js";
import { key, microOptions, plain, textBatch } from "../helpers/trainer.js";

t.test("CUDA asked for where there is none", async (t) => {
  const expected = {
    name: "MedcossError",
    code: "E_NO_CUDA",
    exitCode: 1,
    message: /Device cuda:0 cannot be used/,
  };
  await t.rejects(Trainer.create(microOptions({ device: "cuda:0" })), expected);
});

t.test("a missing checkpoint", async (t) => {
  const start = {
    kind: "file" as const,
    path: "/nowhere/model.safetensors",
    scope: "all" as const,
  };
  await t.rejects(Trainer.create(microOptions({ start })), {
    name: "MedcossError",
    code: "E_NO_CHECKPOINT",
  });
});

t.test("a replay step without a teacher", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const replay = { ...plain, objective: "replay" as const };
  await t.rejects(trainer.trainStep(textBatch(), key(0), replay), {
    code: "E_NO_TEACHER",
    exitCode: 2,
  });
});

t.test("errors carry the stack of the call", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  async function theCaller(): Promise<void> {
    await trainer.evaluate(textBatch(1, 13), key(0));
  }
  const error = await theCaller().catch((caught: unknown) => caught);
  t.ok(error instanceof MedcossError);
  t.match((error as Error).stack, /^MedcossError: Expected [^\n]*\n\s+at theCaller/);
});

t.test("an exception of the caller's own getter comes back as an internal error", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const batch = textBatch();
  Object.defineProperty(batch, "kind", {
    get() {
      throw new Error("boom");
    },
  });
  const expected = { code: "E_INTERNAL", values: { problem: "boom" } };
  await t.rejects(trainer.evaluate(batch, key(0)), expected);
});

t.test("memory that cannot be had is told from other failures", async (t) => {
  const { resample } = loadBinding();
  const large = 65536;
  const options = {
    voxels: new Float32Array(1),
    shape: [1, 1, 1] as [number, number, number],
    size: [large, large, large] as [number, number, number],
    scale: [1, 1, 1] as [number, number, number],
    shift: [0, 0, 0] as [number, number, number],
  };
  await t.rejects(resample(options), { code: "E_OUT_OF_MEMORY", values: { device: "cpu" } });
});
