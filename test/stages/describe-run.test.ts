import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readRows } from "../../lib/metrics/rows.js";
import { describeRun } from "../../lib/stages/describe-run.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { microStore, microTraining } from "../helpers/micro.js";

const folder = t.testdir();
const store = await microStore(folder);
const out = join(folder, "run");
const training = { ...microTraining, reconstructions: 0, checkpoint: { steps: 3 } };
const masking = { ratio: 0.5 };
await pretrain({ store, out, ...training, stages: ["xray", "ct"], masking });

/** Changes one byte of a file, and back. */
function flip(path: string): () => void {
  const bytes = readFileSync(path);
  const changed = Buffer.from(bytes);
  const last = bytes.findLastIndex((byte) => byte >= 0x30 && byte <= 0x38);
  changed[last] = (bytes[last] as number) + 1;
  writeFileSync(path, changed);
  return () => writeFileSync(path, bytes);
}

t.test("a changed byte in any file with a digest is found, and only when asked for", async (t) => {
  t.match(await describeRun(out, true), { verified: true });
  const checkpoint = "stages/01-xray/checkpoint";
  const files: Array<[path: string, code: string]> = [
    ["final/model.safetensors", "E_CHECKPOINT_CORRUPT"],
    [`${checkpoint}/model.safetensors`, "E_CHECKPOINT_CORRUPT"],
    [`${checkpoint}/optimizer.safetensors`, "E_CHECKPOINT_CORRUPT"],
    [`${checkpoint}.previous/model.safetensors`, "E_CHECKPOINT_CORRUPT"],
    ["stages/02-ct/checkpoint/model.safetensors", "E_CHECKPOINT_CORRUPT"],
    ["stages/01-xray/buffer.json", "E_BUFFER_CORRUPT"],
  ];
  for (const [file, code] of files) {
    const restore = flip(join(out, file));
    await t.rejects(describeRun(out, true), { code }, file);
    t.match(await describeRun(out, false), { verified: false, finished: true });
    restore();
  }
  t.match(await describeRun(out, true), { verified: true });
});

t.test("a buffer whose digest no summary records is read through", async (t) => {
  const summary = join(out, "stages/01-xray/summary.json");
  const text = readFileSync(summary, "utf8");
  const { bufferDigest: _, ...older } = JSON.parse(text);
  writeFileSync(summary, JSON.stringify(older));
  t.match(await describeRun(out, true), { verified: true });
  rmSync(join(out, "stages/01-xray/buffer.json"));
  await t.rejects(describeRun(out, true), { code: "E_NO_BUFFER" });
});

t.test("what a later run has to repeat is told", async (t) => {
  t.match(await describeRun(out, false), {
    model: "24 x 1, decoder 24 x 1",
    preset: "corrected; masking.ratio: 0.75 -> 0.5",
    planned: ["xray", "ct"],
    buffers: ["stages/01-xray/buffer.json", "stages/02-ct/buffer.json"],
  });
  const config = join(out, "config.json");
  const recorded = JSON.parse(readFileSync(config, "utf8"));
  writeFileSync(config, JSON.stringify({ ...recorded, preset: {} }));
  t.match(await describeRun(out, false), { preset: "of its own" });
});

t.test("a run that is not finished tells how far it is", async (t) => {
  const stopped = join(folder, "stopped");
  const stop = new AbortController();
  const hooks = { signal: stop.signal, onStep: () => stop.abort() };
  const config = { store, out: stopped, ...training, stages: ["xray", "ct"] };
  await t.rejects(pretrain(config, hooks), { code: "E_INTERRUPTED" });
  t.match(await describeRun(stopped, true), {
    finished: false,
    verified: true,
    stages: [],
    running: { modality: "xray", step: 0, checkpoint: "stages/01-xray/checkpoint" },
  });
  rmSync(join(stopped, "stages/01-xray/checkpoint"), { recursive: true });
  t.match(await describeRun(stopped, true), { running: undefined, verified: false });
});

t.test("the loss of a run that was killed is that of its checkpoint", async (t) => {
  const killed = join(folder, "killed");
  cpSync(out, killed, { recursive: true });
  rmSync(join(killed, "final"), { recursive: true });
  rmSync(join(killed, "stages/02-ct/summary.json"));
  rmSync(join(killed, "stages/02-ct/checkpoint"), { recursive: true });
  const rows = await readRows(join(killed, "metrics.jsonl"));
  const ct = rows.filter(({ stage, kind }) => stage === 2 && kind !== "validation");
  t.equal(ct.at(-1)?.step, 6);
  const { running } = await describeRun(killed, false);
  t.match(running, { step: 3, checkpoint: "stages/02-ct/checkpoint.previous" });
  t.same(
    running?.last,
    ct.find(({ step }) => step === 3),
  );
});
