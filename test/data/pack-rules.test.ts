import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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
  await t.rejects(strict, { code: "E_FILES_REJECTED" });
  const none = pack({
    out: join(folder, "s-none"),
    sources: [{ ...xray, path: join(few, "b.png") }],
    ...small,
  });
  const listed = join(folder, "s-none", "rejected.jsonl");
  await t.rejects(none, {
    code: "E_NO_DATA",
    message: `No usable data in ${join(few, "b.png")}: 1 file rejected, see ${listed}`,
  });
  t.same(readdirSync(join(folder, "s-none")), ["rejected.jsonl"]);
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
