import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { Batch } from "../../lib/batch.js";
import type { PretrainInput } from "../../lib/config/training.js";
import { loadTokenizer } from "../../lib/data/tokenizer.js";
import { readRows } from "../../lib/metrics/rows.js";
import { readBuffer, writeBuffer } from "../../lib/replay/buffer-file.js";
import { readTensors } from "../../lib/safetensors.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { type StageConfig, trainStage } from "../../lib/stages/train-stage.js";
import { microDataset, microModel, microStore, microTraining } from "../helpers/micro.js";

/** The network takes its vocabulary from the tokenizer, as the named sizes do. */
const { vocabulary: _, ...model } = microModel;
const training = { ...microTraining, model, reconstructions: 0 };
const folder = t.testdir();
const store = await microStore(folder);
const first = join(folder, "first");
await pretrain({ store, out: first, ...training });
const buffers = ["01-report", "02-xray"].map((name) => join(first, "stages", name));
const [report, xray] = buffers as [string, string];

async function replayed(out: string): Promise<string[]> {
  const rows = await readRows(join(out, "metrics.jsonl"));
  const names = rows.filter((row) => row.kind === "replay").map((row) => row.modality);
  return [...new Set(names)].sort();
}

const tableOf = async (path: string) =>
  (await readTensors(path)).get("token_embed.embeddings.weight")?.shape;

t.test("a finished run goes on with one more modality of the same store", async (t) => {
  const both = await microStore(folder, ["report", "xray", "ct", "ultrasound"], "both");
  const out = join(folder, "same-store");
  const config: PretrainInput = { store: both, out, ...training, stages: ["ultrasound"] };
  const result = await pretrain({ ...config, startFrom: first, buffers: [first] });
  t.match(result.stages, [{ stage: 1, modality: "ultrasound", steps: 10, replaySteps: 6 }]);
  t.same(await replayed(out), ["ct", "report", "xray"]);
  t.ok(existsSync(join(out, "stages", "01-ultrasound", "buffer.json")));
});

t.test("or of a store of its own, with the earlier one at hand for its buffers", async (t) => {
  const own = await microStore(folder, ["ultrasound"], "own");
  const out = join(folder, "own-store");
  const config: PretrainInput = { store: own, out, ...training };
  const before = readFileSync(join(store, "index.json"), "utf8");
  await pretrain({ ...config, startFrom: first, buffers: [first], bufferStore: store });
  t.same(await replayed(out), ["ct", "report", "xray"]);
  t.equal(readFileSync(join(store, "index.json"), "utf8"), before);
  const files = [first, out].map((run) => join(run, "final", "model.safetensors"));
  const [earlier, later] = await Promise.all(files.map(tableOf));
  t.ok(earlier);
  t.same(later, earlier, "the tokens are still those of the earlier store");

  const third = await microStore(folder, ["endoscopy"], "third");
  const next: PretrainInput = { ...config, store: third, out: join(folder, "own-store-2") };
  const buffers = [first, out];
  await pretrain({ ...next, startFrom: out, buffers, bufferStore: [store, own] });
  t.same(await replayed(next.out), ["ct", "report", "ultrasound", "xray"]);
});

t.test("a given buffer makes room for the run's own of that modality", async (t) => {
  const out = join(folder, "again");
  const config: PretrainInput = { store, out, ...training, stages: ["xray", "ct"] };
  await pretrain({ ...config, startFrom: first, buffers: [first] });
  const rows = await readRows(join(out, "metrics.jsonl"));
  const each = [1, 2].map((stage) => {
    const replay = rows.filter((row) => row.stage === stage && row.kind === "replay");
    return [...new Set(replay.map((row) => row.modality))].sort();
  });
  t.same(each, [
    ["ct", "report"],
    ["report", "xray"],
  ]);
});

t.test("a stage with records of one's own and buffers of a store", async (t) => {
  const data = microDataset("image2d", 9);
  const out = join(folder, "dataset");
  const config: StageConfig = { modality: "own", data, ...training, startFrom: first, out };
  const result = await trainStage({ ...config, stage: 4, buffers: [first], bufferStore: store });
  t.match(result, { stage: 4, steps: 10, replaySteps: 6 });
  t.same(await replayed(out), ["ct", "report", "xray"]);
  t.ok(result.replayLoss);
  const images = join(folder, "images");
  await trainStage({ ...config, out: images, buffers: [xray], bufferStore: store });
  t.same(await replayed(images), ["xray"]);
});

t.test("a stage without replay leaves its buffers alone", async (t) => {
  const out = join(folder, "no-replay");
  const config = { modality: "ct", data: store, ...training, out, replay: false };
  t.match(await trainStage({ ...config, buffers }), { replaySteps: 0 });
});

/** A copy of a buffer with other content. */
async function changed(name: string, changes: object, path = xray): Promise<string> {
  const copy = join(folder, `${name}.json`);
  await writeBuffer(copy, { ...(await readBuffer(path)), ...changes });
  return copy;
}

t.test("buffers that cannot be replayed are refused before anything is written", async (t) => {
  const out = join(folder, "refused");
  const stage: StageConfig = { modality: "ct", data: store, stage: 3, out, ...training };
  const records = [{ record: 16, cluster: 0, distance: 0 }];
  const unknown = await changed("unknown", { modality: "mri" });
  const beyond = await changed("beyond", { samples: records });
  const damaged = join(folder, "damaged.json");
  writeFileSync(damaged, "{");
  const refusals: Array<[string[], { code: string; message?: RegExp; remedy?: RegExp }]> = [
    [[join(folder, "none")], { code: "E_NO_BUFFER" }],
    [[damaged], { code: "E_BUFFER_CORRUPT" }],
    [[xray, xray], { code: "E_CONFIG", message: /two buffers of xray/ }],
    [[first, report], { code: "E_CONFIG", message: /two buffers of report/ }],
    [[unknown], { code: "E_NO_MODALITY", message: /mri/, remedy: /--buffer-store/ }],
    [[beyond], { code: "E_ARGUMENT", message: /record from 0 to 15/ }],
  ];
  for (const [paths, error] of refusals) {
    await t.rejects(trainStage({ ...stage, buffers: paths }), error);
    const config: PretrainInput = { store, out, ...training, stages: ["ct"] };
    await t.rejects(pretrain({ ...config, buffers: paths }), error);
  }
  t.notOk(existsSync(out));
});

t.test("so are those whose records are nowhere", async (t) => {
  const out = join(folder, "refused");
  const data = microDataset("image2d", 9);
  const own: StageConfig = { modality: "own", data, out, ...training, buffers };
  await t.rejects(trainStage(own), { code: "E_CONFIG", values: { field: "bufferStore" } });
  await t.rejects(trainStage({ ...own, bufferStore: join(folder, "none") }), {
    code: "E_NO_STORE",
  });
  const stream = async function* (): AsyncGenerator<Batch> {};
  const config = { ...own, data: stream(), maxSteps: 2, bufferStore: store };
  await t.rejects(trainStage(config), { code: "E_CONFIG", values: { field: "buffers" } });
  t.notOk(existsSync(out));
});

t.test("records of other preprocessing are not those that were chosen", async (t) => {
  const out = join(folder, "refused");
  const data = `${"1".repeat(64)}:13+3`;
  const kind = await changed("kind", { kind: "volume3d" });
  const other = await changed("other", { data });
  for (const path of [kind, other]) {
    const stage = { modality: "ct", data: store, out, ...training, buffers: [path] };
    await t.rejects(trainStage(stage), { code: "E_BUFFER_MISMATCH", exitCode: 2 });
  }
  t.notOk(existsSync(out));
});

t.test("texts with other token ids are refused", async (t) => {
  const out = join(folder, "refused");
  const other = await microStore(folder, undefined, "other-words");
  const index = JSON.parse(readFileSync(join(other, "index.json"), "utf8"));
  const vocabulary = join(folder, "other-vocab.txt");
  writeFileSync(
    vocabulary,
    readFileSync(join(folder, "vocab.txt"), "utf8").replace("heart", "hand"),
  );
  const tokenizer = join(other, "report", "tokenizer.json");
  rmSync(tokenizer);
  await (await loadTokenizer(vocabulary)).save(tokenizer);
  index.tokenizer.digest = (await loadTokenizer(tokenizer)).digest;
  writeFileSync(join(other, "index.json"), JSON.stringify(index));
  const config: PretrainInput = { store: other, out, ...training, stages: ["xray"] };
  await t.rejects(pretrain({ ...config, buffers: [report], bufferStore: store }), {
    code: "E_TOKENIZER_MISMATCH",
  });
  const stage = { modality: "xray", data: other, out, ...training };
  await t.rejects(trainStage({ ...stage, buffers: [report], bufferStore: store }), {
    code: "E_TOKENIZER_MISMATCH",
  });
  t.notOk(existsSync(out));
  await trainStage({ ...stage, buffers: [xray], bufferStore: store });
});
