import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { csv } from "../../lib/data/formats/csv.js";
import { formatFor } from "../../lib/data/formats/index.js";
import { pack } from "../../lib/data/pack/index.js";
import { readRejected } from "../helpers/corpus.js";
import { packageRoot } from "../helpers/package-root.js";
import { packDefaults } from "../helpers/packing.js";

t.setTimeout(60_000);
const folder = t.testdir();
const options = packDefaults();
let number = 0;

async function readAll(path: string) {
  const table = await (await formatFor(path, "text")).decode(path, options);
  const rows = [];
  for await (const row of table.rows()) rows.push({ ...row });
  return { columns: table.columns, rows };
}

function read(name: string, content: string | Uint8Array) {
  const path = join(folder, `${number++}${name}`);
  writeFileSync(path, content);
  return readAll(path);
}

const rows = [
  { id: "1", findings: "Größe\nnormal, clear" },
  { id: "2", findings: 'a "quoted" word' },
];
const lines = (end: string) =>
  `id,findings${end}1,"Größe\nnormal, clear"${end}2,"a ""quoted"" word"${end}`;

t.test("CSV: marks, line ends, quotes, encodings", async (t) => {
  for (const end of ["\n", "\r\n"]) t.same((await read(".csv", lines(end))).rows, rows);
  t.same((await read(".csv", `\uFEFF${lines("\n")}`)).columns, ["id", "findings"]);
  t.same((await read(".csv", Buffer.from(lines("\n"), "latin1"))).rows, rows, "Latin-1");
  t.same((await read(".csv", Buffer.from(`\uFEFF${lines("\n")}`, "utf16le"))).rows, rows, "UTF-16");
  t.same((await read(".tsv", "id\tfindings\n1\ta, b\n")).rows, [{ id: "1", findings: "a, b" }]);
  t.same((await read(".csv", "id;findings\n1;a, b\n")).rows, [{ id: "1", findings: "a, b" }]);
  const late = Buffer.concat([
    Buffer.from(`id,findings\n1,${"x".repeat(300_000)}\n2,`),
    Buffer.from([0xe9, 0x0a]),
  ]);
  t.equal((await read(".csv", late)).rows[1]?.findings, "é", "Latin-1 that begins as ASCII");
  const damaged = Buffer.concat([
    Buffer.from("id,findings\n1,Größe unverändert\n2,"),
    Buffer.from([0xff, 0x0a]),
  ]);
  const [whole, spoilt] = (await read(".csv", damaged)).rows;
  t.same([whole?.findings, spoilt?.findings], ["Größe unverändert", "\uFFFD"], "one bad byte");
});

t.test("JSON Lines", async (t) => {
  const text = '{"id":1,"findings":"clear"}\r\n\n{"findings":null,"tags":["a"],"id":2}\n';
  t.same(await read(".jsonl", text), {
    columns: ["id", "findings", "tags"],
    rows: [
      { id: "1", findings: "clear" },
      { findings: "", tags: '["a"]', id: "2" },
    ],
  });
});

t.test("Parquet in each compression", async (t) => {
  for (const name of ["none", "snappy", "gzip", "zstd"]) {
    const found = await readAll(join(packageRoot, `test/fixtures/reports/${name}.parquet`));
    t.same(found.columns, ["subject_id", "findings", "impression"]);
    t.same(found.rows[1], { subject_id: "8", findings: "", impression: "Stable chest" });
    t.equal(found.rows[2]?.findings, "Größe normal, no effusion", name);
  }
  const lists = await readAll(join(packageRoot, "test/fixtures/reports/lists.parquet"));
  t.same(lists.columns, ["subject_id", "findings", "impression", "codes"]);
  t.match(lists.rows[2], { subject_id: "9", findings: "Größe normal, no effusion", codes: "" });
});

t.test("bad tables: one error each, without the path", async (t) => {
  const good = readFileSync(join(packageRoot, "test/fixtures/reports/zstd.parquet"));
  const damaged = Buffer.from(good);
  damaged.fill(0xff, 4, 60);
  const long = "x".repeat(2 ** 21);
  const cases: Array<[string, string, string | Uint8Array, string]> = [
    ["header only", ".csv", "id,findings\n", "E_FILE_CONTENT"],
    ["a long row", ".csv", `id,findings\n1,${long}\n`, "E_FILE_FORMAT"],
    ["binary", ".csv", Buffer.alloc(100), "E_FILE_FORMAT"],
    ["no JSON", ".jsonl", '{"a":1}\n{"a":', "E_FILE_FORMAT"],
    ["no object", ".jsonl", "[1]\n", "E_FILE_FORMAT"],
    ["a long line", ".jsonl", `{"a":"${long}"}`, "E_FILE_FORMAT"],
    ["blank", ".jsonl", "\n\n", "E_FILE_CONTENT"],
    ["blank text", ".txt", " \n", "E_FILE_CONTENT"],
    ["long text", ".txt", long, "E_FILE_TOO_LARGE"],
    ["binary text", ".txt", Buffer.alloc(9), "E_FILE_FORMAT"],
    ["empty", ".parquet", "", "E_FILE_CONTENT"],
    ["cut off", ".parquet", good.subarray(0, 300), "E_FILE_FORMAT"],
    ["magic only", ".parquet", "PAR1", "E_FILE_FORMAT"],
    ["damaged", ".parquet", damaged, "E_FILE_FORMAT"],
    [
      "damaged end",
      ".parquet",
      Buffer.concat([good.subarray(0, -8), Buffer.from([255, 255, 255, 127]), good.subarray(-4)]),
      "E_FILE_FORMAT",
    ],
  ];
  for (const [name, ending, content, code] of cases) {
    const error = await read(ending, content).then(
      () => undefined,
      (reason) => reason,
    );
    t.equal(error?.code, code, `${name}: ${error?.message}`);
    t.notOk(error?.message.includes(folder), name);
  }
  await t.rejects(csv.decode(join(folder, "none.csv"), options), { code: "E_FILE_UNREADABLE" });
});

t.test("Parquet whose columns are not those of its schema", async (t) => {
  const bytes = readFileSync(join(packageRoot, "test/fixtures/reports/none.parquet"));
  const at = bytes.lastIndexOf("findings");
  bytes.write("x", at);
  const path = join(folder, "columns.parquet");
  writeFileSync(path, bytes);
  const format = await formatFor(path, "text");
  await t.rejects(format.decode(path, options), { code: "E_FILE_FORMAT", message: /schema/ });
});

t.test("a folder of texts is one report each; texts beside a table are not", async (t) => {
  const texts = join(folder, "texts");
  mkdirSync(join(texts, "p1"), { recursive: true });
  writeFileSync(join(texts, "p1", "a.txt"), "The lungs are clear.");
  writeFileSync(join(texts, "b.txt"), Buffer.from("Die Größe ist normal", "latin1"));
  writeFileSync(join(texts, "c.txt"), "");
  const out = join(folder, "store");
  const source = { modality: "report", recipe: "report" as const, path: texts };
  const result = await pack({ out, sources: [source], workers: 1 });
  t.match(result.modalities, [{ files: 3, added: 2, rejected: 1 }]);
  t.match(readRejected(out), [{ path: "texts/c.txt", code: "E_FILE_CONTENT" }]);
  const sources = readFileSync(join(out, "report/00000.sources.jsonl"), "utf8").trim().split("\n");
  t.same(
    sources.map((line) => JSON.parse(line).case),
    ["b", "p1/a"],
  );
  writeFileSync(join(texts, "list.csv"), "text\nthe heart is large\n");
  const beside = await pack({ out: join(folder, "s2"), sources: [source], workers: 1 });
  t.match(beside.modalities, [{ files: 1, added: 1, skipped: { "not data": 3 } }]);
});
