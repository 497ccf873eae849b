import { join } from "node:path";
import t from "tap";
import { allocateView, type Dataset } from "../../lib/data/dataset.js";
import { pack } from "../../lib/data/pack/index.js";
import { openStore } from "../../lib/index.js";
import { small, writeCorpus, writeImage } from "../helpers/corpus.js";

t.setTimeout(120_000);

/** The first value of each record. */
async function valuesOf(dataset: Dataset): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < dataset.length; i++) {
    const view = allocateView(dataset.record);
    await dataset.read(i, view);
    values.push(view.data[0] as number);
  }
  return values;
}

t.test("a record keeps its number when the store grows and changes", async (t) => {
  const folder = t.testdir();
  const { images, xray } = await writeCorpus(folder);
  const out = join(folder, "store");
  await pack({ out, sources: [xray], ...small });
  const numbers: number[] = [];
  let before: number[] = [];
  {
    await using store = await openStore(out);
    const train = store.dataset("xray", "train");
    before = await valuesOf(train);
    for (let i = 0; i < train.length; i++) numbers.push(store.recordNumber("xray", "train", i));
    t.same(await valuesOf(store.records("xray", numbers)), before);
    t.notSame(numbers, [...numbers.keys()], "validation records lie between");
    const aside = store.dataset("xray", "validation").length;
    const last = store.recordNumber("xray", "validation", aside - 1);
    t.notOk(numbers.includes(last));
  }
  await writeImage(join(images, "p05.png"), 200);
  await writeImage(join(images, "q00.png"), 210);
  await pack({ out, sources: [xray], ...small });
  await using store = await openStore(out);
  t.same(await valuesOf(store.records("xray", numbers)), before, "retired ones included");
  const all = store.dataset("xray", "all");
  const found = await valuesOf(all);
  for (const value of [200, 210]) {
    const number = store.recordNumber("xray", "all", found.indexOf(value));
    t.ok(number >= 45, "in the second shard");
    t.same(await valuesOf(store.records("xray", [number, 0, number])), [value, before[0], value]);
  }
});

t.test("numbers that are not there are refused", async (t) => {
  const folder = t.testdir();
  const { report } = await writeCorpus(folder);
  const out = join(folder, "store");
  await pack({ out, sources: [report], ...small });
  const store = await openStore(out);
  for (const wrong of [-1, 50, 0.5, Number.NaN]) {
    t.throws(() => store.records("report", [0, wrong]), { code: "E_ARGUMENT" });
    t.throws(() => store.recordNumber("report", "all", wrong), { code: "E_ARGUMENT" });
  }
  t.throws(() => store.records("ct", [0]), { code: "E_NO_MODALITY" });
  t.throws(() => store.recordNumber("ct", "all", 0), { code: "E_NO_MODALITY" });
  const none = store.records("report", []);
  t.equal(none.length, 0);
  const view = allocateView(none.record);
  await t.rejects(async () => none.read(0, view), { code: "E_ARGUMENT" });
  const some = store.records("report", Float64Array.of(3));
  await some.read(0, view);
  t.ok(view.length > 2);
  await store.close();
  await t.rejects(async () => some.read(0, view), { code: "E_CLOSED" });
});
