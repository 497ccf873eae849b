import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { PackSource } from "../../lib/config/pack.js";
import { pack } from "../../lib/data/pack/index.js";
import { readStore, small, writeCorpus, writeImage } from "../helpers/corpus.js";

t.setTimeout(120_000);
const folder = t.testdir();
const { xray, report } = await writeCorpus(folder);
await pack({ out: join(folder, "store"), sources: [xray, report], ...small });

t.test("--hash-paths leaves no name in the store", async (t) => {
  const out = join(folder, "hashed");
  await pack({ out, sources: [xray, report], ...small, hashPaths: true });
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
  const result = await pack({ out: join(folder, "s-few"), sources, ...small });
  t.match(result.modalities, [{ train: 1, validation: 0 }]);
  t.match(result.warnings, [/1 case, so/]);
  writeFileSync(join(few, "b.png"), "x");
  const strict = pack({ out: join(folder, "s-few"), sources, ...small, strict: true });
  await t.rejects(strict, {
    code: "E_FILES_REJECTED",
    message: /^1 file rejected \(E_FILE_FORMAT: Not a JPEG, PNG or TIFF file .+\)$/,
  });
  const none = pack({
    out: join(folder, "s-none"),
    sources: [{ ...xray, path: join(few, "b.png") }],
    ...small,
  });
  const listed = join(folder, "s-none", "rejected.jsonl");
  const format = "Not a JPEG, PNG or TIFF file that can be decoded";
  const reason = `E_FILE_FORMAT: ${format}: Input file contains unsupported image format`;
  await t.rejects(none, {
    code: "E_NO_DATA",
    message: `No usable data in ${join(few, "b.png")}: 1 file rejected (${reason}), see ${listed}`,
  });
  t.same(readdirSync(join(folder, "s-none")), ["rejected.jsonl"]);
  const other = join(folder, "other");
  mkdirSync(other);
  writeFileSync(join(other, "german.csv"), "id,befund\n1,unauffällig\n");
  writeFileSync(join(other, "empty.csv"), "");
  writeFileSync(join(other, "french.csv"), "id,avis\n1,normal\n");
  const out = join(folder, "s-other");
  await t.rejects(pack({ out, sources: [{ ...report, path: other }], ...small }), {
    code: "E_NO_DATA",
    message: `No usable data in ${other}: 3 files rejected (1 E_FILE_CONTENT, 2 E_TABLE_COLUMN), see ${join(out, "rejected.jsonl")}`,
  });
});

t.test("where nothing is packed the inputs are named and nothing new is left", async (t) => {
  const at = t.testdir({ empty: {}, hidden: { ".note": "x" }, own: {} });
  const [empty, hidden] = [join(at, "empty"), join(at, "hidden")];
  const refused = (out: string, sources: PackSource[], message: string) =>
    t.rejects(pack({ ...small, out, sources }), { code: "E_NO_DATA", message });
  const sources = [
    { ...xray, path: empty },
    { ...xray, path: hidden },
    { ...report, path: empty },
  ];
  const said = `No usable data in ${empty}, ${hidden}, ${empty}: 1 file skipped (hidden)`;
  await refused(join(at, "new"), sources, said);
  const ct = { modality: "ct", recipe: "ct" as const, path: empty };
  const nothing = `No usable data in ${empty}: no files there`;
  await refused(join(at, "own"), [ct], nothing);
  t.same(readdirSync(at).sort(), ["empty", "hidden", "own"]);
  t.same(readdirSync(join(at, "own")), []);
  const store = join(folder, "store");
  const before = readdirSync(store);
  await refused(store, [ct], nothing);
  t.same(readdirSync(store), before);
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
  const result = await pack({ out, sources, ...small, splitColumn: "side" });
  t.match(result.modalities, [{ train: 2, validation: 1, skipped: { "test split": 1 } }]);
  t.ok(result.warnings.includes("xray: 1 file not named by side, for training"));
  t.same(await readStore(out, "xray", "validation"), [[1]]);
  const wrong = pack({ out: join(folder, "s-wrong"), sources, ...small, splitColumn: "nothing" });
  await t.rejects(wrong, { code: "E_CONFIG" });
  writeFileSync(join(split, "list.csv"), "path,side\nimages/0.png,sometimes\n");
  const odd = pack({ out: join(folder, "s-odd"), sources, ...small, splitColumn: "side" });
  await t.rejects(odd, { code: "E_CONFIG", message: /sometimes/ });
});

t.test("a table names files from its own folder, from the given one, or by name", async (t) => {
  const data = join(folder, "above");
  mkdirSync(join(data, "images", "deep"), { recursive: true });
  const names = ["0.png", "1.png", "2_image.png", "deep/0.png", "deep/4.png", "deep/5.png"];
  for (const [i, name] of names.entries()) await writeImage(join(data, "images", name), i);
  const rows = [
    ["images/0.png", "val"],
    ["./images\\1.png", "train"],
    ["images/2", "val"],
    [join(data, "images/deep/0.png"), "test"],
    ["deep/4.png", "val"],
    ["5", "test"],
  ];
  const table = ["path,side", ...rows.map((row) => row.join(",")), ""].join("\n");
  writeFileSync(join(data, "labels.csv"), table);
  const sources = [{ ...xray, path: join(data, "images") }];
  const out = join(folder, "s-above");
  const { modalities, warnings } = await pack({ out, sources, ...small, splitColumn: "side" });
  t.match(modalities, [{ train: 1, validation: 3, skipped: { "test split": 2 } }]);
  t.same(warnings, []);
  t.same(await readStore(out, "xray", "validation"), [[0], [2], [4]]);
});

t.test(
  "a table that names none of the files is an error, before anything is written",
  async (t) => {
    const data = join(folder, "mismatch");
    for (const name of ["good", "bad"]) mkdirSync(join(data, name), { recursive: true });
    await writeImage(join(data, "good", "0.png"), 0);
    await writeImage(join(data, "bad", "1.png"), 1);
    writeFileSync(join(data, "labels.csv"), "path,side\ngood/0.png,train\n");
    const bad = { ...xray, modality: "bad", path: join(data, "bad") };
    const sources = [{ ...xray, path: join(data, "good") }, bad];
    const out = join(folder, "s-mismatch");
    await t.rejects(pack({ out, sources, ...small, splitColumn: "side" }), {
      code: "E_SPLIT",
      message: `Of 1 file of bad, ${join(data, "labels.csv")} names none: it names good/0.png, and a file there is bad/1.png`,
    });
    t.notOk(existsSync(out));
    writeFileSync(join(data, "labels.csv"), "picture,side\ngood/0.png,train\n");
    await t.rejects(pack({ out, sources, ...small, splitColumn: "side" }), {
      code: "E_SPLIT",
      message: /names nothing by a column such as path or case, and a file there is good\/0\.png/,
    });
  },
);

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
        pack({ out, ...small, ...changes } as Parameters<typeof pack>[0]),
        { code },
        code,
      );
    }
  },
);
