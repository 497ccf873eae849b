import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { allocateView } from "../../lib/data/dataset.js";
import { describeStore } from "../../lib/data/describe.js";
import { pack } from "../../lib/data/pack/index.js";
import { openStore } from "../../lib/data/store.js";
import { readTensors } from "../../lib/safetensors.js";

t.setTimeout(240_000);
const folder = t.testdir();
const images = join(folder, "images");
const reports = join(folder, "reports.csv");
const sizes = { xray: { size: 16 }, report: { length: 12 } };

/** A grey image whose brightness to the left tells its number. */
async function writeImage(path: string, number: number): Promise<void> {
  const pixels = Buffer.from(Array.from({ length: 400 }, (_, i) => (i % 20 < 15 ? number : 255)));
  await sharp(pixels, { raw: { width: 20, height: 20, channels: 1 } })
    .png()
    .toFile(path);
}

mkdirSync(join(images, "masks"), { recursive: true });
mkdirSync(join(images, "more"));
for (let i = 0; i < 44; i++)
  await writeImage(join(images, `p${String(i).padStart(2, "0")}.png`), i);
await writeImage(join(images, "more", "p00.png"), 100);
await writeImage(join(images, "p01_mask.png"), 1);
await writeImage(join(images, "masks", "p02.png"), 2);
writeFileSync(join(images, "broken.png"), "not a picture");
writeFileSync(join(images, "empty.jpg"), "");
writeFileSync(join(images, "list.csv"), "path\n");
symlinkSync(images, join(images, "more", "loop"));
const rows = Array.from(
  { length: 50 },
  (_, i) => `s${Math.floor(i / 2)},"Lungs ${i} are clear.",Normal heart`,
);
writeFileSync(reports, `\uFEFFsubject_id,findings,impression\n${rows.join("\n")}\nx,,ok\n`);

const xray = { modality: "xray", recipe: "xray" as const, path: images };
const report = { modality: "report", recipe: "report" as const, path: reports };
const base = { preprocessing: sizes, workers: 2 };
const read = async (store: string, modality: string, part: "train" | "validation" | "all") => {
  await using opened = await openStore(store);
  const dataset = opened.dataset(modality, part);
  const values: number[][] = [];
  for (let i = 0; i < dataset.length; i++) {
    const view = allocateView(dataset.record);
    await dataset.read(i, view);
    values.push(Array.from(view.data).slice(0, modality === "report" ? view.length : 1));
  }
  return values;
};
const rejected = (store: string) =>
  readFileSync(join(store, "rejected.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

t.test("images and reports: what is data, what is skipped, what is rejected", async (t) => {
  const out = join(folder, "store");
  const seen: number[] = [];
  const result = await pack(
    { out, sources: [xray, report], ...base },
    { onProgress: (p) => void seen.push(p.done) },
  );
  const [first, second] = result.modalities;
  t.match(first, { modality: "xray", files: 47, rejected: 2, added: 45, unchanged: 0 });
  t.same(first?.skipped, { label: 2, "not data": 1, "link to a folder already searched": 1 });
  t.match(second, { modality: "report", added: 50, skipped: { "report under 3 words": 1 } });
  t.equal((first?.train ?? 0) + (first?.validation ?? 0), 45);
  t.equal(first?.validation, 5, "a tenth of the cases");
  t.ok(seen.length > 0);
  t.match(rejected(out), [
    { modality: "xray", path: "images/broken.png", code: "E_FILE_FORMAT" },
    { modality: "xray", path: "images/empty.jpg", code: "E_FILE_CONTENT" },
  ]);
  t.same(result.rejected, { E_FILE_FORMAT: 1, E_FILE_CONTENT: 1 });
  const all = await read(out, "xray", "all");
  t.same(
    all.flat(),
    [100, ...Array.from({ length: 44 }, (_, i) => i)],
    "in the order of their names",
  );
  const parts = [...(await read(out, "xray", "train")), ...(await read(out, "xray", "validation"))];
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
  const aside = await read(join(folder, "store"), "report", "validation");
  const all = (await read(join(folder, "store"), "report", "all")).map(String);
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
  await pack({ out, sources: [xray, report], ...base, workers: 1 });
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

t.test("again: only what is new or changed; a moved folder is known", async (t) => {
  const out = join(folder, "store");
  const before = await read(out, "xray", "validation");
  const again = await pack({ out, sources: [xray, report], ...base });
  t.match(again.modalities, [
    { added: 0, unchanged: 45 },
    { added: 0, unchanged: 1 },
  ]);
  await writeImage(join(images, "p03.png"), 103);
  await writeImage(join(images, "p90.png"), 90);
  const changed = await pack({ out, sources: [xray], ...base });
  t.match(changed.modalities, [{ added: 2, unchanged: 44 }]);
  const values = (await read(out, "xray", "all")).flat();
  t.same(values.slice(-2), [103, 90]);
  t.notOk(values.includes(3), "the old record is retired");
  t.ok((await read(out, "xray", "validation")).length >= before.filter(([v]) => v !== 3).length);
  const description = await describeStore(out, { verify: true });
  t.match(description.modalities[0], { retired: 1, shards: 2 });
  mkdirSync(join(folder, "moved"));
  cpSync(images, join(folder, "moved/images"), { recursive: true, verbatimSymlinks: true });
  const moved = await pack({
    out,
    sources: [{ ...xray, path: join(folder, "moved/images") }],
    ...base,
  });
  t.match(moved.modalities, [{ added: 0 }]);
});

t.test("another folder of the same name is another source", async (t) => {
  const out = join(folder, "two");
  const other = join(folder, "other/images");
  mkdirSync(other, { recursive: true });
  for (let i = 0; i < 3; i++) await writeImage(join(other, `p0${i}.png`), 200 + i);
  const result = await pack({ out, sources: [xray, { ...xray, path: other }], ...base });
  t.match(result.modalities, [{ added: 49 }]);
  t.ok((await read(out, "xray", "all")).flat().includes(202));
});

t.test("--hash-paths leaves no name in the store", async (t) => {
  const out = join(folder, "hashed");
  await pack({ out, sources: [xray, report], ...base, hashPaths: true });
  for (const name of [
    "xray/00000.sources.jsonl",
    "report/00000.sources.jsonl",
    "rejected.jsonl",
    "index.json",
  ]) {
    const text = readFileSync(join(out, name), "utf8");
    t.notMatch(text, /p0\d|broken|images|reports|"s\d+"/, name);
  }
});

t.test("few cases: none aside, with a warning; strict fails; nothing usable fails", async (t) => {
  const few = join(folder, "few");
  mkdirSync(few);
  await writeImage(join(few, "a.png"), 1);
  const sources = [{ ...xray, path: few }];
  const result = await pack({ out: join(folder, "s-few"), sources, ...base });
  t.match(result.modalities, [{ train: 1, validation: 0 }]);
  t.match(result.warnings, [/1 cases/]);
  writeFileSync(join(few, "b.png"), "x");
  const strict = pack({ out: join(folder, "s-few"), sources, ...base, strict: true });
  await t.rejects(strict, { code: "E_FILES_REJECTED" });
  const none = pack({
    out: join(folder, "s-none"),
    sources: [{ ...xray, path: join(few, "b.png") }],
    ...base,
  });
  await t.rejects(none, { code: "E_NO_DATA" });
});

t.test("a split column decides; test cases stay out", async (t) => {
  const split = join(folder, "split");
  mkdirSync(join(split, "images"), { recursive: true });
  for (let i = 0; i < 4; i++) await writeImage(join(split, "images", `${i}.png`), i);
  writeFileSync(
    join(split, "list.csv"),
    "path,side\nimages/0.png,train\nimages/1.png,val\nimages/2.png,test\n",
  );
  const sources = [{ ...xray, path: split }];
  const out = join(folder, "s-split");
  const result = await pack({ out, sources, ...base, splitColumn: "side" });
  t.match(result.modalities, [{ train: 2, validation: 1, skipped: { "test split": 1 } }]);
  t.same(await read(out, "xray", "validation"), [[1]]);
  const wrong = pack({ out: join(folder, "s-wrong"), sources, ...base, splitColumn: "nothing" });
  await t.rejects(wrong, { code: "E_CONFIG" });
  writeFileSync(join(split, "list.csv"), "path,side\nimages/0.png,sometimes\n");
  const odd = pack({ out: join(folder, "s-odd"), sources, ...base, splitColumn: "side" });
  await t.rejects(odd, { code: "E_CONFIG", message: /sometimes/ });
});

t.test(
  "refused: unknown source, other preprocessing, other tokenizer, mixed recipes",
  async (t) => {
    const out = join(folder, "store");
    const vocabulary = join(folder, "vocab.txt");
    writeFileSync(vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlungs\n");
    const cases: Array<[object, string]> = [
      [{ sources: [{ ...xray, path: join(folder, "nowhere") }] }, "E_SOURCE_MISSING"],
      [{ sources: [xray], preprocessing: {} }, "E_CONFIG"],
      [{ sources: [report], tokenizer: vocabulary }, "E_CONFIG"],
      [{ sources: [xray, { ...xray, recipe: "pathology" as const }] }, "E_CONFIG"],
      [{ sources: [xray], casePattern: "(" }, "E_CONFIG"],
      [{ sources: [xray], wrkers: 1 }, "E_CONFIG"],
    ];
    for (const [changes, code] of cases) {
      await t.rejects(
        pack({ out, ...base, ...changes } as Parameters<typeof pack>[0]),
        { code },
        code,
      );
    }
  },
);

t.test("an interrupted run keeps what is complete, and goes on", async (t) => {
  const out = join(folder, "stopped");
  const controller = new AbortController();
  const hooks = { signal: controller.signal, onProgress: () => controller.abort() };
  await t.rejects(pack({ out, sources: [xray], ...base }, hooks), { code: "E_INTERRUPTED" });
  const partial = (await read(out, "xray", "all")).length;
  t.ok(partial > 0 && partial < 46, `${partial}`);
  writeFileSync(join(out, "xray/00009.safetensors.partial"), "left over");
  const result = await pack({ out, sources: [xray], ...base });
  t.equal((result.modalities[0]?.added ?? 0) + partial, 46);
});

t.test("damaged stores are told apart", async (t) => {
  const copy = (name: string) => {
    cpSync(join(folder, "alone"), join(folder, name), { recursive: true });
    return join(folder, name);
  };
  const short = copy("short");
  truncateSync(join(short, "xray/00000.safetensors"), 1000);
  const other = copy("version");
  const index = JSON.parse(readFileSync(join(other, "index.json"), "utf8"));
  writeFileSync(join(other, "index.json"), JSON.stringify({ ...index, version: 99 }));
  const broken = copy("json");
  writeFileSync(join(broken, "index.json"), "{");
  const field = copy("field");
  writeFileSync(join(field, "index.json"), JSON.stringify({ ...index, modalities: 3 }));
  const lost = copy("lost");
  renameSync(join(lost, "xray/00000.safetensors"), join(lost, "xray/gone"));
  const flipped = copy("flipped");
  const bytes = readFileSync(join(flipped, "xray/00000.safetensors"));
  bytes.writeUInt8(bytes.readUInt8(2000) ^ 1, 2000);
  writeFileSync(join(flipped, "xray/00000.safetensors"), bytes);
  const words = copy("words");
  rmSync(join(words, "report/tokenizer.json"));
  appendFileSync(join(words, "xray/00000.sources.jsonl"), "{}\n");
  await t.rejects(openStore(join(folder, "absent")), { code: "E_NO_STORE" });
  await t.rejects(openStore(other), { code: "E_STORE_VERSION" });
  for (const path of [short, broken, field, lost]) {
    await t.rejects(openStore(path), { code: "E_STORE_CORRUPT" }, path);
  }
  await describeStore(flipped, { verify: false });
  await t.rejects(describeStore(flipped, { verify: true }), { code: "E_STORE_CORRUPT" });
  await t.rejects(pack({ out: words, sources: [xray], ...base }), { code: "E_STORE_CORRUPT" });
  await using store = await openStore(words);
  await t.rejects(store.tokenizer(), { code: "E_TOKENIZER" });
});

t.test("an opened store", async (t) => {
  const store = await openStore(join(folder, "alone"));
  t.same(store.modalities, ["xray", "report"]);
  t.match(store.info("report"), { kind: "text", record: { dtype: "i32", shape: [12] } });
  t.equal((await store.tokenizer())?.vocabularySize, 30522);
  t.throws(() => store.info("ct"), { code: "E_NO_MODALITY", message: /no ct/ });
  const dataset = store.dataset("xray", "train");
  const view = allocateView(dataset.record);
  await t.rejects(async () => dataset.read(dataset.length, view), { code: "E_ARGUMENT" });
  await t.rejects(async () => dataset.read(0, { ...view, data: new Uint8Array(3) }), {
    code: "E_ARGUMENT",
  });
  await store.close();
  await store.close();
  await t.rejects(async () => dataset.read(0, view), { code: "E_CLOSED" });
});
