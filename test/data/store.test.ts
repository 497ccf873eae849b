import {
  appendFileSync,
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { allocateView } from "../../lib/data/dataset.js";
import { describeStore } from "../../lib/data/describe.js";
import { pack } from "../../lib/data/pack/index.js";
import { openStore } from "../../lib/data/store.js";
import { small, writeCorpus } from "../helpers/corpus.js";

t.setTimeout(120_000);
const folder = t.testdir();
const { xray, report } = await writeCorpus(folder);
await pack({ out: join(folder, "alone"), sources: [xray, report], ...small });

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
  await t.rejects(pack({ out: words, sources: [xray], ...small }), { code: "E_STORE_CORRUPT" });
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
