import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { pack } from "../../lib/data/pack/index.js";
import { type Buffer, exportBuffer, openStore, writeBuffer } from "../../lib/index.js";
import { small, writeCorpus } from "../helpers/corpus.js";
import { microStore } from "../helpers/micro.js";
import { handMade } from "./hand-made.js";

t.setTimeout(120_000);

const folder = t.testdir();
const { images, xray, report } = await writeCorpus(folder);
const store = join(folder, "store");
await pack({ out: store, sources: [xray, report], ...small });

/** A buffer of records of a store: three in one cluster, two in the other. */
async function bufferOf(path: string, modality: string, changes: Partial<Buffer> = {}) {
  await using opened = await openStore(path);
  const { kind, preprocessingDigest } = opened.info(modality);
  return handMade({ modality, kind, data: `${preprocessingDigest}:1+0`, ...changes });
}

t.test("images: absolute paths in cluster order", async (t) => {
  const buffer = await bufferOf(store, "xray");
  const out = join(t.testdir(), "list.json");
  const done = await exportBuffer({ buffer, store, out, roots: [images] });
  t.match(done, { out, form: "json", samples: 5, entries: 5 });
  const { path } = JSON.parse(readFileSync(out, "utf8"));
  const lines = readFileSync(join(store, "xray/00000.sources.jsonl"), "utf8").split("\n");
  const sources = [7, 3, 9, 1, 8].map((record) => JSON.parse(lines[record] as string).source);
  t.same(
    path,
    sources.map((source) => join(folder, source)),
  );
});

t.test("images: each root is found, moved or not, and files that went are told", async (t) => {
  const buffer = await bufferOf(store, "xray");
  const out = join(t.testdir(), "list.json");
  const refused = (roots: string[] | undefined, message: RegExp) =>
    t.rejects(exportBuffer({ buffer, store, out, roots }), { code: "E_BUFFER_SOURCES", message });
  await refused(undefined, /give the folder images with --root/);
  await t.rejects(exportBuffer({ buffer, store, out, roots: [join(folder, "none")] }), {
    code: "E_SOURCE_MISSING",
  });
  const moved = join(folder, "elsewhere");
  renameSync(images, moved);
  await exportBuffer({ buffer, store, out, roots: [moved] });
  const [first] = JSON.parse(readFileSync(out, "utf8")).path;
  t.ok(first.startsWith(moved));
  await refused([moved, folder], /elsewhere is not a folder/);
  renameSync(first, `${first}.gone`);
  await refused([moved], /does not exist/);
  renameSync(`${first}.gone`, first);
  renameSync(moved, images);
});

t.test("reports: rows of the table, cluster by cluster in table order", async (t) => {
  const buffer = await bufferOf(store, "report");
  const out = t.testdir();
  const done = await exportBuffer({ buffer, store, out, reports: [report.path] });
  t.match(done, { form: "csv", samples: 5, entries: 5 });
  t.equal(done.out, join(out, "1D_text_0.02_0.05_kmean.csv"), "the published name in a folder");
  const rows = readFileSync(done.out, "utf8").split("\n");
  t.same(rows, [
    "subject_id,findings,impression",
    "s1,Lungs 3 are clear.,Normal heart",
    "s3,Lungs 7 are clear.,Normal heart",
    "s4,Lungs 9 are clear.,Normal heart",
    "s0,Lungs 1 are clear.,Normal heart",
    "s4,Lungs 8 are clear.,Normal heart",
    "",
  ]);
});

t.test("reports: several tables, quotes, and tables that changed", async (t) => {
  const own = t.testdir();
  const tables = join(own, "tables");
  mkdirSync(tables);
  const [one, two] = [join(tables, "one.csv"), join(tables, "two.csv")];
  const text = (i: number) => `"Lungs, ""clear"" and ${i}\nlines."`;
  const rows = (from: number) => Array.from({ length: 5 }, (_, i) => `${text(from + i)},Heart ok`);
  writeFileSync(one, ["findings,impression", ...rows(0)].join("\n"));
  writeFileSync(two, ["findings,impression,view", ...rows(5).map((r) => `${r},PA`)].join("\n"));
  const out = join(own, "store");
  await pack({ out, sources: [{ modality: "report", recipe: "report", path: tables }], ...small });
  const buffer = await bufferOf(out, "report");
  const file = join(own, "rows.csv");
  await exportBuffer({ buffer, store: out, out: file, reports: [two, one] });
  const written = readFileSync(file, "utf8");
  t.match(written, /^findings,impression,view\n/);
  t.match(written, `${text(7)},Heart ok,PA\n`);
  t.match(written, `${text(3)},Heart ok,\n`);
  const refused = (reports: string[] | undefined, message: RegExp) =>
    t.rejects(exportBuffer({ buffer, store: out, out: file, reports }), {
      code: "E_BUFFER_SOURCES",
      message,
    });
  await refused(undefined, /--reports/);
  await refused([one], /3 of 5 rows/);
  writeFileSync(two, "findings,impression\nother,rows\n");
  await refused([one, two], /changed/);
  await refused([join(own, "none")], /none: The file cannot be read/);
  writeFileSync(two, "findings\n");
  await refused([one, two], /two.*: Nothing to learn from: a table without rows/);
});

t.test("volumes: one path for each, relative to the data's folder", async (t) => {
  const own = t.testdir();
  const micro = await microStore(own, ["ct"]);
  const lines = Array.from({ length: 10 }, (_, i) =>
    JSON.stringify({ source: `patches/v${i >> 1}.nii.gz`, case: "c", slices: [i, i + 1] }),
  );
  writeFileSync(join(micro, "ct/00000.sources.jsonl"), `${lines.slice(0, 9).join("\n")}\n`);
  const samples = [8, 2, 3, 0].map((record) => ({ record, cluster: 0, distance: 1 }));
  const buffer = await bufferOf(micro, "ct", { samples, perCluster: 4 });
  const done = await exportBuffer({ buffer, store: micro, out: own });
  t.match(done, { form: "txt", samples: 4, entries: 3 });
  t.equal(done.out, join(own, "3D_CT_0.02_0.05_kmean.txt"));
  const text = readFileSync(done.out, "utf8");
  t.equal(text, "patches/v4.nii.gz\npatches/v1.nii.gz\npatches/v0.nii.gz\n");
});

t.test("what cannot be named is refused, and nothing is written", async (t) => {
  const own = t.testdir();
  const micro = await microStore(own, ["xray", "ct"]);
  const samples = [{ record: 0, cluster: 0, distance: 1 }];
  const out = join(own, "out");
  const attempt = async (modality: string, change: object, changes: Partial<Buffer> = {}) => {
    const buffer = await bufferOf(micro, modality, { samples, ...changes });
    return exportBuffer({ buffer, store: micro, out, ...change });
  };
  await t.rejects(attempt("ct", {}), { code: "E_BUFFER_SOURCES", message: /record 0/ });
  await t.rejects(attempt("ct", { roots: [own] }), { code: "E_CONFIG", message: /^roots/ });
  await t.rejects(attempt("xray", { reports: [out] }), { code: "E_CONFIG", message: /^reports/ });
  const far = [{ record: 99, cluster: 0, distance: 1 }];
  await t.rejects(attempt("ct", {}, { samples: far }), { code: "E_ARGUMENT" });
  await t.rejects(attempt("ct", {}, { data: "other:1" }), { code: "E_BUFFER_MISMATCH" });
  const source = "ab".repeat(16);
  const path = join(micro, "ct/00000.sources.jsonl");
  writeFileSync(path, `${JSON.stringify({ source })}\n`.repeat(9));
  await t.rejects(attempt("ct", {}), { code: "E_BUFFER_SOURCES", message: /--hash-paths/ });
  writeFileSync(path, "{}\n".repeat(8));
  await t.rejects(attempt("ct", {}), { code: "E_STORE_CORRUPT", message: /8 lines for 9/ });
  writeFileSync(path, "{\n".repeat(9));
  await t.rejects(attempt("ct", {}), { code: "E_STORE_CORRUPT" });
  rmSync(path);
  await t.rejects(attempt("ct", {}), { code: "E_BUFFER_SOURCES" });
  const file = join(own, "buffer.json");
  await writeBuffer(file, await bufferOf(micro, "ct", { samples }));
  await t.rejects(exportBuffer({ buffer: file, store: micro, out }), { code: "E_BUFFER_SOURCES" });
  t.throws(() => readFileSync(out), { code: "ENOENT" });
});
