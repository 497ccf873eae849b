import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { embed, openStore, Trainer } from "../../lib/index.js";
import { microModel, microStore } from "../helpers/micro.js";

t.setTimeout(120_000);

const folder = t.testdir();
const store = await microStore(folder, ["report", "xray"]);
const trainer = await Trainer.create({ size: microModel, threads: 1, seed: 2 });
await trainer.save(folder);
t.teardown(() => trainer.close());
const checkpoint = join(folder, "model.safetensors");
const common = { store, checkpoint, model: microModel, threads: 1 };

/** Shape and values of a `.npy` of float32. */
function readNpy(path: string): { shape: number[]; values: Float32Array } {
  const bytes = readFileSync(path);
  const head = bytes.readUInt16LE(8);
  const text = bytes.toString("latin1", 10, 10 + head);
  const shape = /'shape': \((.*?),?\)/.exec(text)?.[1]?.split(", ").map(Number) ?? [];
  t.equal(bytes.toString("latin1", 0, 8), "\x93NUMPY\x01\x00");
  t.equal((10 + head) % 64, 0);
  t.match(text, /^\{'descr': '<f4', 'fortran_order': False, .*\} *\n$/);
  return { shape, values: new Float32Array(new Uint8Array(bytes.subarray(10 + head)).buffer) };
}

t.test("features go to a NumPy file, names beside it", async (t) => {
  const lines = Array.from({ length: 16 }, (_, i) =>
    JSON.stringify({ source: `images/${i}.png`, size: 3, digest: "ab", case: `case ${i}` }),
  );
  writeFileSync(join(store, "xray/00000.sources.jsonl"), `${lines.join("\n")}\n`);
  const out = join(folder, "sub", "xray.npy");
  const found = await embed({ ...common, modality: "xray", out, batchSize: 5 });
  t.match(found, { modality: "xray", part: "all", samples: 16, width: 24 });
  const { shape, values } = readNpy(out);
  t.same(shape, [16, 24]);
  t.same(values, found.values);
  const names = readFileSync(join(folder, "sub", "xray.jsonl"), "utf8")
    .trim()
    .split("\n");
  t.equal(names.length, 16);
  t.same(JSON.parse(names[3] as string), { record: 3, source: "images/3.png", case: "case 3" });
});

t.test("a part of the records, without writing", async (t) => {
  const all = await embed({ ...common, modality: "xray" });
  const train = await embed({ ...common, modality: "xray", part: "train" });
  const aside = await embed({ ...common, modality: "xray", part: "validation" });
  t.same([train.samples, aside.samples], [13, 3]);
  t.same(aside.records, [13, 14, 15]);
  const close = (a: Float32Array, b: Float32Array) =>
    t.ok(a.every((value, i) => Math.abs(value - (b[i] as number)) < 1e-5));
  close(train.values, all.values.subarray(0, 13 * 24));
  close(aside.values, all.values.subarray(13 * 24));
  const [red, green] = [
    await embed({ ...common, modality: "xray", batchSize: 1 }),
    await embed({ ...common, modality: "xray", batchSize: 16 }),
  ];
  close(red.values, green.values);
});

t.test("features are the network's", async (t) => {
  await using opened = await openStore(store);
  const found = await embed({ ...common, modality: "report", part: "validation" });
  const { length } = opened.dataset("report", "validation");
  const ids = new Int32Array(length * 16);
  const lengths = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const view = { data: ids.subarray(i * 16, (i + 1) * 16), length: 0 };
    await opened.dataset("report", "validation").read(i, view);
    lengths[i] = view.length;
  }
  t.same(found.values, await trainer.features({ kind: "text", ids, lengths }));
});

t.test("a store without names still serves", async (t) => {
  rmSync(join(store, "report/00000.sources.jsonl"));
  const out = join(t.testdir(), "report.npy");
  await embed({ ...common, modality: "report", part: "validation", out });
  const names = readFileSync(out.replace(".npy", ".jsonl"), "utf8");
  t.equal(names, '{"record":12}\n{"record":13}\n{"record":14}\n');
});

t.test("wrong use and a signal", async (t) => {
  const xray = { ...common, modality: "xray" };
  await t.rejects(embed({ ...xray, out: "x.csv" }), { code: "E_CONFIG", message: /\.npy/ });
  await t.rejects(embed({ ...xray, part: "test" as "all" }), { code: "E_CONFIG" });
  const signal = AbortSignal.abort();
  await t.rejects(embed(xray, { signal }), { code: "E_ABORTED" });
  const progress: number[] = [];
  await embed({ ...xray, batchSize: 8 }, { onProgress: ({ done }) => progress.push(done) });
  t.same(progress, [8, 16]);
});
