import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { convert } from "../../lib/checkpoints/convert.js";
import { isEncoderTensor } from "../../lib/checkpoints/encoder.js";
import type { PretrainInput } from "../../lib/config/training.js";
import { embed, exportEncoder, pretrain, Trainer } from "../../lib/index.js";
import { readTensors, type Tensor, writeTensors } from "../../lib/safetensors.js";
import { runCommandLine } from "../helpers/command.js";
import { microModel, microStore, microTraining } from "../helpers/micro.js";
import { packageRoot } from "../helpers/package-root.js";
import { findTorch } from "../helpers/torch.js";

t.setTimeout(180_000);

const folder = t.testdir();
const store = await microStore(folder, ["xray"]);
/** Weights rest, so that those of the start can be told from those that are drawn anew. */
const still = { learningRate: { peak: 1e-30 }, optimizer: { weightDecay: 0 } };
const training = { ...microTraining, reconstructions: 0, epochs: 1 };
const source = join(folder, "source");
mkdirSync(source);
{
  await using trainer = await Trainer.create({ size: microModel, threads: 1, seed: 9 });
  await trainer.save(source);
}
const model = join(source, "model.safetensors");
const weights = join(folder, "weights.pth");
await convert(source, weights);

type Tensors = Map<string, Tensor>;

async function run(
  name: string,
  startFrom: string | undefined,
  changes: Partial<PretrainInput> = {},
) {
  const out = join(folder, name);
  await pretrain({ store, out, ...training, ...still, startFrom, ...changes });
  return out;
}

const finalOf = (out: string) => readTensors(join(out, "final", "model.safetensors"));
const valuesOf = (tensor: Tensor | undefined) => (tensor as Tensor).data as Float32Array;

/** Whether a tensor is that of a start; zeros have moved by the rate of a run that rests. */
function equal(one: Tensors, other: Tensors, name: string, as = name): boolean {
  const before = valuesOf(other.get(as));
  const now = valuesOf(one.get(name));
  return now.every((value, i) => Math.abs(value - (before[i] as number)) < 1e-20);
}

/** Tensors that are not as a stage's start leaves them: encoder and embeddings taken, all others drawn anew. */
function strays(found: Tensors, start: Tensors): string[] {
  const drawn = ["decoder_embed.weight", "mask_token", "mlm_head.decoder.weight"];
  const lost = [...found.keys()].filter(
    (name) => isEncoderTensor(name) && !equal(found, start, name),
  );
  return [...lost, ...drawn.filter((name) => equal(found, start, name))];
}

t.test("weights arrive from each form of a start, and they alone", async (t) => {
  const start = await readTensors(model);
  const encoder = join(folder, "encoder");
  await exportEncoder({ from: source, out: encoder, model: microModel });
  const first = await run("from-file", model);
  const forms = { file: model, folder: source, run: first, encoder, pth: weights };
  for (const [name, path] of Object.entries(forms)) {
    const out = name === "file" ? first : await run(`from-${name}`, path);
    t.same(strays(await finalOf(out), start), [], name);
    t.equal(existsSync(join(out, "start")), name === "pth");
  }
  const drawn = await finalOf(await run("from-nothing", undefined));
  t.notOk(equal(drawn, start, "cls_token"));
});

const python = findTorch();
const skip = python ? false : "no Python with torch here (MEDCOSS_TEST_PYTHON names one)";
t.test(
  "files of PyTorch itself, in both forms and with all that training leaves in them",
  { skip },
  async (t) => {
    const make = `import argparse, json, sys, torch
state = torch.load("weights.pth", weights_only=True)["model"]
more = dict(optimizer={"state": {}}, epoch=299, scaler={}, args=argparse.Namespace(data="/x"))
torch.save(dict(model=state, **more), "zip.pth")
torch.save(dict(model=state, **more), "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(state, "bare.pth")`;
    const made = spawnSync(python as string, ["-c", make], { cwd: folder, encoding: "utf8" });
    t.equal(made.status, 0, made.stderr);
    const start = await readTensors(model);
    for (const form of ["zip", "legacy", "bare"]) {
      const out = await run(`from-${form}`, join(folder, `${form}.pth`));
      t.same(strays(await finalOf(out), start), [], form);
    }
  },
);

/** What Uni-Perceiver has of our names, and its table of positions under its own (reference section 3). */
async function uniPerceiver(path: string, rows = 1024): Promise<Tensors> {
  const all = await readTensors(model);
  const foreign: Tensors = new Map();
  for (const [name, tensor] of all) {
    const shared = /^(fused_encoder|token_embed)\.|^video_embed\.embeddings(_norm|_type)?\./;
    if (shared.test(name)) foreign.set(name, tensor);
  }
  for (const [part, count] of [
    ["spatial", rows],
    ["temporal", 8],
  ] as const) {
    const data = Float32Array.from({ length: count * 24 }, (_, i) => Math.sin(i));
    const name = `video_embed.embeddings_st_pos.${part}_pos_embed.weight`;
    foreign.set(name, { dtype: "F32", shape: [count, 24], data });
  }
  const safe = path.replace(/\.pth$/, ".safetensors");
  await writeTensors(safe, foreign);
  await convert(safe, path);
  return foreign;
}

t.test(
  "Uni-Perceiver's names: shared ones arrive, its positions where they are asked for",
  async (t) => {
    const path = join(folder, "uni.pth");
    const foreign = await uniPerceiver(path);
    const plain = await finalOf(await run("uni", path));
    const mapped = await finalOf(await run("uni-mapped", path, { startPositions: true }));
    const table = "video_embed.embeddings_st_pos_2D.spatial_pos_embed.weight";
    const theirs = table.replace("_2D", "");
    for (const name of foreign.keys()) {
      if (!name.includes("_st_pos")) t.ok(equal(plain, foreign, name), name);
    }
    t.notOk(equal(plain, foreign, table, theirs));
    for (const name of [table, table.replace("spatial", "temporal")]) {
      t.ok(equal(mapped, foreign, name, name.replace("_2D", "")), name);
    }
    const drawn = await finalOf(join(folder, "from-nothing"));
    for (const name of ["cls_token", "video_embed.embeddings_3D.weight"]) {
      t.ok(equal(plain, drawn, name), `${name} is not in it and is drawn`);
    }
    const other = join(folder, "uni-small.pth");
    await uniPerceiver(other, 196);
    await run("uni-small", other);
    await t.rejects(run("uni-small-mapped", other, { startPositions: true }), {
      code: "E_CHECKPOINT_SHAPE",
      message: /embeddings_st_pos_2D\.spatial.* is \[196, 24\], expected \[1024, 24\]/,
    });
  },
);

t.test("a run from a .pth resumes bit-equal, even after the file is gone", async (t) => {
  const moving = { ...training, epochs: 3, seed: 4 };
  const copy = join(folder, "copy.pth");
  writeFileSync(copy, readFileSync(weights));
  const undisturbed = join(folder, "undisturbed");
  await pretrain({ store, out: undisturbed, ...moving, startFrom: copy });
  const out = join(folder, "stopped");
  const stop = new AbortController();
  const hooks = { signal: stop.signal, onStep: () => stop.abort() };
  await t.rejects(pretrain({ store, out, ...moving, startFrom: copy }, hooks), {
    code: "E_INTERRUPTED",
  });
  rmSync(copy);
  await pretrain({ store, out, ...moving, startFrom: copy, resume: true });
  const files = [undisturbed, out].map((each) =>
    readFileSync(join(each, "final", "model.safetensors")),
  );
  t.ok(files[0]?.equals(files[1] as Buffer));
});

t.test("what does not fit or is damaged is refused before anything is written", async (t) => {
  const refused = async (name: string, path: string, error: { code: string; message?: RegExp }) => {
    const out = join(folder, `refused-${name}`);
    const config = { store, out, ...training, startFrom: path };
    await t.rejects(pretrain(config), error, name);
    t.notOk(existsSync(out), `${name} leaves no folder`);
  };
  const tensors = await readTensors(model);
  const only = async (name: string, kept: (tensor: string) => boolean) => {
    const path = join(folder, `${name}.safetensors`);
    await writeTensors(path, new Map([...tensors].filter(([tensor]) => kept(tensor))));
    await convert(path, path.replace("safetensors", "pth"));
    return path.replace("safetensors", "pth");
  };
  const shape = { code: "E_CHECKPOINT_SHAPE" };
  const none = await only("decoder", (name) => !isEncoderTensor(name));
  await refused("decoder", none, { ...shape, message: /no encoder/ });
  const moments = new Map([...tensors].map(([name, tensor]) => [`${name}.exp_avg`, tensor]));
  const optimizer = join(folder, "optimizer.safetensors");
  await writeTensors(optimizer, moments);
  await refused("optimizer", optimizer, { ...shape, message: /no encoder/ });
  await refused("class", await only("class", (name) => name === "cls_token"), shape);
  await refused("own", none.replace("pth", "safetensors"), { ...shape, message: /no encoder/ });
  const wide = { ...training, model: { ...microModel, encoderWidth: 32, decoderWidth: 24 } };
  const other = { store, out: join(folder, "wide"), ...wide };
  for (const startFrom of [weights, model]) {
    await t.rejects(pretrain({ ...other, startFrom }), {
      ...shape,
      message: /it is of width 24, the network here of width 32/,
    });
  }
  t.notOk(existsSync(other.out));
  const bytes = readFileSync(weights);
  const damaged = (name: string, content: Buffer) => {
    const path = join(folder, `${name}.pth`);
    writeFileSync(path, content);
    return path;
  };
  const corrupt = { code: "E_CHECKPOINT_CORRUPT" };
  await refused("cut", damaged("cut", bytes.subarray(0, bytes.length / 2)), corrupt);
  const legacy = readFileSync(join(packageRoot, "test/fixtures/checkpoints/legacy.pth"));
  await refused("cut-legacy", damaged("cut-legacy", legacy.subarray(0, -8)), corrupt);
  const foreign = damaged("text", Buffer.from("hello, this is not a checkpoint"));
  await refused("text", foreign, { ...corrupt, message: /: it is not a PyTorch file$/ });
  const empty = damaged("empty", Buffer.alloc(0));
  await refused("empty", empty, { ...corrupt, message: /: it is empty$/ });
  const safe = join(folder, "short.safetensors");
  writeFileSync(safe, readFileSync(model).subarray(0, 100));
  const once = new RegExp(`^${safe} cannot be read as a checkpoint: its header claims`);
  await refused("short", safe, { ...corrupt, message: once });
  const text = bytes.toString("latin1");
  const call = text.replaceAll(
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "cposix\nsystem\n__________________________",
  );
  await refused("call", damaged("call", Buffer.from(call, "latin1")), corrupt);
  const leaving = text.replaceAll("archive/data/", "../../../x/yy/");
  await refused("leaving", damaged("leaving", Buffer.from(leaving, "latin1")), corrupt);
  await refused("missing", join(folder, "none.pth"), { code: "E_NO_CHECKPOINT" });
});

t.test("where a .pth has to be converted first, the line says how", async (t) => {
  const common = { store, modality: "xray", threads: 1, model: microModel };
  const remedy = `Convert it first: npx medcoss convert ${weights} model.safetensors`;
  await t.rejects(embed({ ...common, checkpoint: weights }), { code: "E_PYTORCH_FILE", remedy });
  const legacy = join(packageRoot, "test/fixtures/checkpoints/legacy.pth");
  for (const path of [weights, legacy]) {
    const start = { kind: "file", path, scope: "carry-over" } as const;
    const made = Trainer.create({ size: microModel, threads: 1, start });
    await t.rejects(made, { code: "E_PYTORCH_FILE", message: new RegExp(`^${path} is a PyTorch`) });
  }
  const missing = join(folder, "none.pth");
  await t.rejects(embed({ ...common, checkpoint: missing }), { code: "E_NO_CHECKPOINT" });
  for (const command of ["buffer", "embed"]) {
    const out = join(folder, command === "embed" ? "x.npy" : "x.json");
    const args = ["--checkpoint", weights, "--store", store, "--modality", "xray", "--out", out];
    const outcome = await runCommandLine([command, ...args]);
    t.match(outcome, { code: 1, stdout: "" });
    t.equal(outcome.stderr.trimEnd().split("\n").length, 1);
    t.ok(outcome.stderr.includes(remedy));
  }
  const target = join(folder, "converted", "model.safetensors");
  mkdirSync(join(folder, "converted"));
  await convert(weights, target);
  t.same(readdirSync(join(folder, "converted")), ["model.safetensors"]);
  const [own, converted] = await Promise.all(
    [source, target].map((checkpoint) => embed({ ...common, checkpoint })),
  );
  t.same(converted?.values, own?.values);
});
