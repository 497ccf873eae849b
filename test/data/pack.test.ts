import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { pack } from "../../lib/data/pack/index.js";
import { readTensors } from "../../lib/safetensors.js";
import { readRejected, readStore, small, writeCorpus } from "../helpers/corpus.js";

t.setTimeout(120_000);
const folder = t.testdir();
const { xray, report } = await writeCorpus(folder);

t.test("images and reports: what is data, what is skipped, what is rejected", async (t) => {
  const out = join(folder, "store");
  const seen: number[] = [];
  const result = await pack(
    { out, sources: [xray, report], ...small },
    { onProgress: (p) => void seen.push(p.done) },
  );
  const [first, second] = result.modalities;
  t.match(first, { modality: "xray", files: 47, rejected: 2, added: 45, unchanged: 0 });
  t.same(first?.skipped, { label: 2, "not data": 1, "link to a folder already searched": 1 });
  t.match(second, { modality: "report", added: 50, skipped: { "report under 3 words": 1 } });
  t.equal((first?.train ?? 0) + (first?.validation ?? 0), 45);
  t.equal(first?.validation, 5, "a tenth of the cases");
  t.ok(seen.length > 0);
  t.match(readRejected(out), [
    { modality: "xray", path: "images/broken.png", code: "E_FILE_FORMAT" },
    { modality: "xray", path: "images/empty.jpg", code: "E_FILE_CONTENT" },
  ]);
  t.same(result.rejected, { E_FILE_FORMAT: 1, E_FILE_CONTENT: 1 });
  const all = await readStore(out, "xray", "all");
  t.same(
    all.flat(),
    [100, ...Array.from({ length: 44 }, (_, i) => i)],
    "in the order of their names",
  );
  const parts = [
    ...(await readStore(out, "xray", "train")),
    ...(await readStore(out, "xray", "validation")),
  ];
  t.same(
    parts.flat().sort((a, b) => a - b),
    all.flat().sort((a, b) => a - b),
  );
});

t.test("one patient is never on both sides", async (t) => {
  const lines = readFileSync(join(folder, "store/report/00000.sources.jsonl"), "utf8")
    .trim()
    .split("\n");
  const cases = lines.map((line) => JSON.parse(line).case as string);
  t.equal(new Set(cases).size, 25);
  const aside = await readStore(join(folder, "store"), "report", "validation");
  const all = (await readStore(join(folder, "store"), "report", "all")).map(String);
  const chosen = new Set(aside.map((ids) => cases[all.indexOf(String(ids))]));
  t.equal(aside.length, 2 * chosen.size);
});

t.test("Python's view: one tensor of records; texts have tokens and lengths", async (t) => {
  const tensors = await readTensors(join(folder, "store/xray/00000.safetensors"));
  t.same(tensors.get("records")?.shape, [45, 16, 16, 1]);
  const text = await readTensors(join(folder, "store/report/00000.safetensors"));
  t.same([...text.keys()], ["tokens", "lengths"]);
  t.equal(text.get("lengths")?.data.length, 50);
});

t.test("the number of processes does not change the store", async (t) => {
  const out = join(folder, "alone");
  await pack({ out, sources: [xray, report], ...small, workers: 1 });
  const same = (name: string) =>
    t.ok(readFileSync(join(out, name)).equals(readFileSync(join(folder, "store", name))), name);
  for (const name of [
    "index.json",
    "rejected.jsonl",
    "xray/00000.safetensors",
    "report/00000.safetensors",
  ])
    same(name);
});
