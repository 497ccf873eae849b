import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { describeFile, describeFolder } from "../../lib/data/describe.js";
import { pack } from "../../lib/data/pack/index.js";
import { openStore } from "../../lib/data/store.js";
import { readRejected } from "../helpers/corpus.js";
import { imageElements, sliceElements, writeDicom } from "../helpers/dicom.js";

t.setTimeout(120_000);
const folder = t.testdir();
const tree = join(folder, "ct");
const common = {
  workers: 1,
  preprocessing: { ct: { size: [2, 4, 4] as [number, number, number] } },
};
const secrets = /Secret|SECRET|1970|1\.2\.826/;

/** Two series in one folder, one with a gap, one whose file names are numbers of images; a directory and a localiser. */
function writeTree(): void {
  const write = (name: string, i: number, changes = {}) =>
    writeDicom(join(tree, name), sliceElements(i, changes));
  for (let i = 0; i < 4; i++) {
    const name = `1.2.826.0.1.3680043.9.1.${i}.dcm`;
    write(`a/${name}`, i);
    write(`a/I${i}`, i, { "0020000EUI": "1.2.826.0.1.2", "00080018UI": `1.2.826.0.7.${i}` });
    const other = { "00100020LO": "SECRET-2", "0020000EUI": "1.2.826.0.1.3" };
    if (i !== 2) write(`b/deep/${i}`, i, { ...other, "00280301CS": "YES" });
    write(`c/${i}`, i, { ...other, "0020000EUI": "1.2.826.0.1.4", "00280301CS": "YES" });
  }
  write("a/COPY", 0);
  write("a/scout", 9, { "00080008CS": "ORIGINAL\\PRIMARY\\LOCALIZER" });
  writeDicom(join(tree, "DICOMDIR"), { "00080016UI": "1.2.840.10008.1.3.10" });
  writeFileSync(
    join(tree, "broken.dcm"),
    Buffer.concat([Buffer.alloc(128), Buffer.from("DICM????")]),
  );
}

const sources = [{ modality: "ct", recipe: "ct" as const, path: tree }];
const out = join(folder, "store");
const text = (name: string) => readFileSync(join(out, name), "utf8");
writeTree();

t.test("a folder tree of series", async (t) => {
  const result = await pack({ out, sources, ...common });
  t.match(result.modalities, [{ files: 5, rejected: 2, added: 3, unchanged: 0 }]);
  t.same(result.modalities[0]?.skipped, {
    "DICOM object without an image": 1,
    "DICOM localiser": 1,
    "copy of a DICOM slice": 1,
  });
  t.match(result.warnings, [/1 file with text in the pixels/, /2 cases/]);
  t.match(readRejected(out), [
    { path: /^ct\/b\/deep#[0-9a-f]{8}$/, code: "E_FILE_CONTENT", reason: /a slice is missing/ },
    { path: "ct/broken.dcm", code: "E_FILE_FORMAT" },
  ]);
  await using store = await openStore(out);
  t.equal(store.dataset("ct", "all").length, 3);
});

t.test("no number, name or date of a patient is in the store", (t) => {
  for (const name of readdirSync(join(out, "ct"))) t.notMatch(text(`ct/${name}`), secrets, name);
  for (const name of ["index.json", "rejected.jsonl"]) t.notMatch(text(name), secrets, name);
  const lines = text("ct/00000.sources.jsonl")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.equal(new Set(lines.map((line) => line.case)).size, 2, "cases are patients");
  t.match(lines[0].case, /^[0-9a-f]{32}$/);
  t.end();
});

t.test("packing again adds nothing, a changed slice replaces its series", async (t) => {
  const again = await pack({ out, sources, ...common });
  t.match(again.modalities, [{ added: 0, unchanged: 3 }]);
  writeDicom(
    join(tree, "c/0"),
    sliceElements(0, {
      "00100020LO": "SECRET-2",
      "0020000EUI": "1.2.826.0.1.4",
      "00281052DS": -900,
    }),
  );
  const changed = await pack({ out, sources, ...common });
  t.match(changed.modalities, [{ added: 1, unchanged: 2, train: 3 }]);
});

t.test(
  "the same key names the same patients in another store; a pattern names cases by path",
  async (t) => {
    const caseKey = "a key of sixteen characters";
    const cases = async (name: string, changes: object) => {
      const store = join(folder, name);
      await pack({ out: store, sources, ...common, ...changes });
      const lines = readFileSync(join(store, "ct/00000.sources.jsonl"), "utf8").trim().split("\n");
      return lines.map((line) => JSON.parse(line).case as string);
    };
    const [one, two] = [await cases("one", { caseKey }), await cases("two", { caseKey })];
    t.same(one, two);
    t.same(await cases("pattern", { casePattern: "^(.)" }), ["a", "a", "c"]);
  },
);

t.test("a split table names series by their folders; test series stay out", async (t) => {
  const path = join(folder, "split");
  for (const [number, name] of ["p1", "p2", "deep/p3"].entries()) {
    const one = { "00100020LO": `SECRET-${number}`, "0020000EUI": `1.2.826.0.2.${number}` };
    for (let i = 0; i < 4; i++) writeDicom(join(path, name, String(i)), sliceElements(i, one));
  }
  writeFileSync(join(path, "list.csv"), "case,side\np1,test\np2,val\n");
  const source = [{ modality: "ct", recipe: "ct" as const, path }];
  const store = join(folder, "s-split");
  const result = await pack({ out: store, sources: source, ...common, splitColumn: "side" });
  const modalities = [{ train: 1, validation: 1, skipped: { "test split": 1 } }];
  t.match(result, { modalities, warnings: ["ct: 1 file not named by side, for training"] });
  const p2 = join(path, "p2");
  const alone = [{ modality: "ct", recipe: "ct" as const, path: p2 }];
  const above = pack({
    out: join(folder, "above"),
    sources: alone,
    ...common,
    splitColumn: "side",
  });
  await t.rejects(above, {
    code: "E_NO_DATA",
    message: `No usable data in ${p2}: 1 record for validation, none for training`,
  });
});

t.test("radiographs: MONOCHROME1 is turned, what is no image is skipped", async (t) => {
  const path = join(folder, "xray");
  const size = { size: 4 };
  const image = (changes = {}) =>
    imageElements(4, 4, (x) => 1000 * x, { "00100020LO": "SECRET", ...changes });
  writeDicom(join(path, "a.dcm"), image());
  writeDicom(join(path, "b"), image({ "00280004CS": "MONOCHROME1" }));
  writeDicom(join(path, "DICOMDIR"), { "00080016UI": "1.2.840.10008.1.3.10" });
  writeDicom(
    join(path, "flat"),
    imageElements(4, 4, () => 7),
  );
  const store = join(folder, "s-xray");
  const source = { modality: "xray", recipe: "xray" as const, path };
  const preprocessing = { xray: { ...size, kernel: "nearest" as const } };
  const result = await pack({ out: store, sources: [source], workers: 1, preprocessing });
  t.match(result.modalities, [
    { added: 2, rejected: 1, skipped: { "DICOM object without an image": 1 } },
  ]);
  const bytes = readFileSync(join(store, "xray/00000.safetensors"));
  t.same([...bytes.subarray(-32, -28)], [0, 85, 170, 255]);
  t.same([...bytes.subarray(-16, -12)], [255, 170, 85, 0]);
  t.notMatch(readFileSync(join(store, "xray/00000.sources.jsonl"), "utf8"), secrets);
});

t.test("inspect: a folder of series, a slice, a folder of something else", async (t) => {
  const found = await describeFolder(join(tree, "a"));
  t.match(found, {
    kind: "volume3d",
    format: "DICOM",
    shape: [4, 4, 6],
    spacingMm: [5, 0.5, 0.25],
  });
  t.same(
    found?.series?.map(({ files }) => files),
    [4, 4],
  );
  t.notMatch(JSON.stringify(found), secrets);
  t.equal((await describeFolder(join(tree, "c")))?.series, undefined);
  t.match(await describeFile(join(tree, "a/I1")), {
    kind: "image2d",
    shape: [4, 6, 1],
    min: 100,
    max: 135,
  });
  t.equal(await describeFolder(join(folder, "s-xray")), undefined);
});
