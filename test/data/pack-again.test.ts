import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { describeStore } from "../../lib/data/describe.js";
import { pack } from "../../lib/data/pack/index.js";
import { readStore, small, writeCorpus, writeImage } from "../helpers/corpus.js";

t.setTimeout(120_000);
const folder = t.testdir();
const { images, xray, report } = await writeCorpus(folder);
await pack({ out: join(folder, "store"), sources: [xray, report], ...small });

t.test("again: only what is new or changed; a moved folder is known", async (t) => {
  const out = join(folder, "store");
  const before = await readStore(out, "xray", "validation");
  const again = await pack({ out, sources: [xray, report], ...small });
  t.match(again.modalities, [
    { added: 0, unchanged: 45 },
    { added: 0, unchanged: 1 },
  ]);
  await writeImage(join(images, "p03.png"), 103);
  await writeImage(join(images, "p90.png"), 90);
  const changed = await pack({ out, sources: [xray], ...small });
  t.match(changed.modalities, [{ added: 2, unchanged: 44 }]);
  const values = (await readStore(out, "xray", "all")).flat();
  t.same(values.slice(-2), [103, 90]);
  t.notOk(values.includes(3), "the old record is retired");
  t.ok(
    (await readStore(out, "xray", "validation")).length >= before.filter(([v]) => v !== 3).length,
  );
  const description = await describeStore(out, { verify: true });
  t.match(description.modalities[0], { retired: 1, shards: 2 });
  mkdirSync(join(folder, "moved"));
  cpSync(images, join(folder, "moved/images"), { recursive: true, verbatimSymlinks: true });
  rmSync(join(folder, "moved/images/more/loop"));
  const moved = await pack({
    out,
    sources: [{ ...xray, path: join(folder, "moved/images") }],
    ...small,
  });
  t.match(moved.modalities, [{ added: 0 }]);
});

t.test("another folder of the same name is another source", async (t) => {
  const out = join(folder, "two");
  const other = join(folder, "other/images");
  mkdirSync(other, { recursive: true });
  for (let i = 0; i < 3; i++) await writeImage(join(other, `p0${i}.png`), 200 + i);
  const result = await pack({ out, sources: [xray, { ...xray, path: other }], ...small });
  t.match(result.modalities, [{ added: 49 }]);
  t.ok((await readStore(out, "xray", "all")).flat().includes(202));
});

t.test("an interrupted run keeps what is complete, and goes on", async (t) => {
  const out = join(folder, "stopped");
  const controller = new AbortController();
  const hooks = { signal: controller.signal, onProgress: () => controller.abort() };
  await t.rejects(pack({ out, sources: [xray], ...small }, hooks), { code: "E_INTERRUPTED" });
  const partial = (await readStore(out, "xray", "all")).length;
  t.ok(partial > 0 && partial < 46, `${partial}`);
  writeFileSync(join(out, "xray/00009.safetensors.partial"), "left over");
  const result = await pack({ out, sources: [xray], ...small });
  t.equal((result.modalities[0]?.added ?? 0) + partial, 46);
});
