import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { MedcossError } from "../../lib/errors.js";
import {
  findModelFile,
  latestCheckpoint,
  readState,
  type Savable,
  saveCheckpoint,
} from "../../lib/stages/checkpoint.js";
import { describeRun } from "../../lib/stages/describe-run.js";
import { readSummary } from "../../lib/stages/run-folder.js";

const weights = (content: string): Savable => ({
  async save(folder) {
    writeFileSync(join(folder, "model.safetensors"), content);
    writeFileSync(join(folder, "optimizer.safetensors"), `${content} moments`);
  },
});

const at = (step: number) => ({
  stage: 2,
  modality: "ct",
  step,
  configuration: { seed: 0 },
  digests: { data: "d" },
});

async function filled(folder: string, steps: number[]): Promise<string> {
  for (const step of steps) await saveCheckpoint(weights(`weights ${step}`), folder, at(step));
  return folder;
}

t.test("the last two are kept", async (t) => {
  const folder = await filled(t.testdir(), [1, 2, 3]);
  t.same(readdirSync(folder).sort(), ["checkpoint", "checkpoint.previous"]);
  t.equal((await readState(join(folder, "checkpoint")))?.step, 3);
  t.equal((await readState(join(folder, "checkpoint.previous")))?.step, 2);
  const latest = await latestCheckpoint(folder);
  t.equal(latest?.path, join(folder, "checkpoint"));
  t.match(latest?.state, { version: 1, ...at(3) });
  t.equal(latest?.state.files["model.safetensors"]?.bytes, 9);
});

t.test("what another program or a broken disk left is E_CHECKPOINT_CORRUPT", async (t) => {
  const damaged = t.testdir({ "summary.json": '{"stage":' });
  await t.rejects(readSummary(damaged), {
    code: "E_CHECKPOINT_CORRUPT",
    message: `${damaged} cannot be read as a checkpoint: summary.json is not JSON`,
  });
  const foreign = t.testdir({ "config.json": "{}", stages: {} });
  await t.rejects(describeRun(foreign, false), { code: "E_CHECKPOINT_CORRUPT" });
});

t.test("an interrupted write is never taken for a checkpoint", async (t) => {
  const folder = await filled(t.testdir(), [1]);
  mkdirSync(join(folder, ".checkpoint.tmp"));
  writeFileSync(join(folder, ".checkpoint.tmp", "model.safetensors"), "half");
  t.equal((await latestCheckpoint(folder))?.state.step, 1);
  await filled(folder, [2]);
  t.equal((await latestCheckpoint(folder))?.state.step, 2);
  t.notOk(existsSync(join(folder, ".checkpoint.tmp")));
});

t.test("between the two renames the one before stands", async (t) => {
  const folder = await filled(t.testdir(), [1, 2]);
  rmSync(join(folder, "checkpoint"), { recursive: true });
  t.equal((await latestCheckpoint(folder))?.state.step, 1);
  t.equal(await latestCheckpoint(t.testdir()), undefined);
});

t.test("a failing write leaves the last checkpoint and no rest", async (t) => {
  const folder = await filled(t.testdir(), [1]);
  const failing: Savable = {
    async save(target) {
      writeFileSync(join(target, "model.safetensors"), "part");
      throw new MedcossError("E_DISK_FULL", { path: target });
    },
  };
  await t.rejects(saveCheckpoint(failing, folder, at(2)), { code: "E_DISK_FULL" });
  t.same(readdirSync(folder), ["checkpoint"]);
  const broken: Savable = {
    save: async () => {
      throw new TypeError("a bug");
    },
  };
  await t.rejects(saveCheckpoint(broken, folder, at(2)), TypeError);
});

t.test("damage is found", async (t) => {
  const damage: Record<string, (folder: string) => void> = {
    "other bytes": (folder) => writeFileSync(join(folder, "model.safetensors"), "weights 7"),
    shorter: (folder) => truncateSync(join(folder, "optimizer.safetensors"), 3),
    missing: (folder) => rmSync(join(folder, "model.safetensors")),
    "no JSON": (folder) => truncateSync(join(folder, "state.json"), 20),
    "no object": (folder) => writeFileSync(join(folder, "state.json"), "null"),
    "no digests": (folder) => {
      const { digests: _, ...state } = JSON.parse(readFileSync(join(folder, "state.json"), "utf8"));
      writeFileSync(join(folder, "state.json"), JSON.stringify(state));
    },
    "another version": (folder) => {
      const state = JSON.parse(readFileSync(join(folder, "state.json"), "utf8"));
      writeFileSync(join(folder, "state.json"), JSON.stringify({ ...state, version: 2 }));
    },
    "fields missing": (folder) => writeFileSync(join(folder, "state.json"), "{}"),
    "no file": (folder) => {
      rmSync(join(folder, "state.json"));
      mkdirSync(join(folder, "state.json"));
    },
  };
  for (const [name, act] of Object.entries(damage)) {
    const folder = await filled(join(t.testdir(), name.replace(" ", "-")), [1]);
    act(join(folder, "checkpoint"));
    await t.rejects(latestCheckpoint(folder), { code: "E_CHECKPOINT_CORRUPT" }, name);
  }
});

t.test("a path means the model file in it", async (t) => {
  const folder = await filled(t.testdir(), [1]);
  const model = join(folder, "checkpoint", "model.safetensors");
  t.equal(await findModelFile(model), model);
  t.equal(await findModelFile(join(folder, "checkpoint")), model);
  t.equal(await findModelFile(folder), model);
  const run = t.testdir({ final: { "model.safetensors": "" } });
  t.equal(await findModelFile(run), join(run, "final", "model.safetensors"));
  await t.rejects(findModelFile(join(run, "none")), { code: "E_NO_CHECKPOINT" });
  t.equal(readFileSync(join(run, "final", "model.safetensors"), "utf8"), "");
});
