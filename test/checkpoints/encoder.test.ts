import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { convert } from "../../lib/checkpoints/convert.js";
import { checkEncoder, encoderShapes, isEncoderTensor } from "../../lib/checkpoints/encoder.js";
import { readEncoderConfig } from "../../lib/checkpoints/encoder-config.js";
import { embed, exportEncoder, pretrain, Trainer } from "../../lib/index.js";
import { readHeader, readTensors, writeTensors } from "../../lib/safetensors.js";
import { runCommandLine } from "../helpers/command.js";
import { microModel, microStore, microTraining } from "../helpers/micro.js";
import { packageRoot } from "../helpers/package-root.js";
import { findTorch, withSafetensors } from "../helpers/torch.js";
import { imageBatch } from "../helpers/trainer.js";

t.setTimeout(180_000);

const folder = t.testdir();
const store = await microStore(folder);
const run = join(folder, "run");
await pretrain({ store, out: run, ...microTraining, reconstructions: 0 });
const encoder = join(folder, "encoder");
const done = await exportEncoder({ from: run, out: encoder });

t.test("the folder holds encoder and embeddings, and how to use them", async (t) => {
  t.match(done, { input: run, output: encoder });
  t.same(readdirSync(encoder).sort(), ["config.json", "model.safetensors"]);
  const all = await readTensors(join(run, "final", "model.safetensors"));
  const kept = await readTensors(join(encoder, "model.safetensors"));
  t.same([...kept.keys()], [...all.keys()].filter(isEncoderTensor));
  for (const [name, { data }] of kept) {
    const whole = all.get(name)?.data as Float32Array;
    t.ok(Buffer.from(data.buffer).equals(Buffer.from(whole.buffer)), name);
  }
  const shapes = [...kept].map(([name, { shape }]) => [name, shape]);
  t.same(
    Object.fromEntries(shapes),
    Object.fromEntries(encoderShapes({ ...microModel, vocabulary: 32 })),
  );
  t.equal(done.tensors, kept.size);
  const tokenizer = JSON.parse(readFileSync(join(store, "index.json"), "utf8")).tokenizer.digest;
  t.match(await readEncoderConfig(encoder), {
    architecture: { width: 24, layers: 1, heads: 2, mlpWidth: 96, layerNormEps: 1e-5 },
    inputs: {
      image2d: { size: [32, 32], grid: [2, 2], channelOrder: "bgr", values: { scale: 1 / 255 } },
      volume3d: { size: [16, 32, 32], grid: [1, 2, 2] },
      text: { length: 16, vocabulary: 32, attention: "bidirectional", tokenizer },
    },
    behaviour: { features: { mode: "eval" } },
    source: { stage: 3, modality: "ct", step: 8, seed: 0, tokenizer },
  });
  const text = readFileSync(join(encoder, "config.json"), "utf8");
  t.notOk(text.includes(folder), "no path");
  t.notMatch(text, /20\d\d-|\/tmp|localhost/);
});

t.test("features of the encoder are those of its run", async (t) => {
  const config = { store, modality: "xray", threads: 1 };
  const whole = await embed({ ...config, checkpoint: run });
  const alone = await embed({ ...config, checkpoint: encoder });
  t.same(alone.values, whole.values);
});

t.test("the same export again, from any form, is the same to the byte", async (t) => {
  const bytes = (path: string) =>
    ["config.json", "model.safetensors"].map((name) => readFileSync(join(path, name)));
  const first = bytes(encoder);
  const again = { from: join(run, "stages", "03-ct"), out: encoder };
  await t.rejects(exportEncoder(again), { code: "E_OUTPUT_EXISTS" });
  const onto = exportEncoder({ from: encoder, out: encoder, force: true });
  await t.rejects(onto, { code: "E_ARGUMENT" });
  t.same(bytes(encoder), first, "refused");
  await exportEncoder({ ...again, force: true });
  t.same(bytes(encoder), first, "over an earlier export");
  await exportEncoder({ from: encoder, out: join(folder, "copy") });
  t.same(bytes(join(folder, "copy")), first);
  const weights = join(folder, "weights.pth");
  await convert(join(run, "final"), weights);
  const model = { ...microModel, vocabulary: undefined };
  const out = join(folder, "published");
  await exportEncoder({ from: weights, out, model, preset: "published" });
  t.same(bytes(out)[1], first[1]);
  t.match(await readEncoderConfig(out), { behaviour: { attention: { text: "causal" } } });
  t.same((await readEncoderConfig(out))?.source, {});
});

t.test("wrong use is refused and writes nothing", async (t) => {
  const out = join(folder, "never");
  const weights = join(folder, "weights.pth");
  await t.rejects(exportEncoder({ from: weights, out }), { code: "E_CONFIG", message: /heads/ });
  await t.rejects(exportEncoder({ from: join(folder, "none"), out }), { code: "E_NO_CHECKPOINT" });
  const part = await readTensors(join(encoder, "model.safetensors"));
  part.delete("video_embed.embeddings_3D.bias");
  await writeTensors(join(folder, "part.safetensors"), part);
  const lacking = { from: join(folder, "part.safetensors"), out, model: microModel };
  await t.rejects(exportEncoder(lacking), {
    code: "E_CHECKPOINT_SHAPE",
    message: /no tensor video_embed\.embeddings_3D\.bias/,
  });
  t.notOk(existsSync(out));
  const final = join(run, "final");
  const before = readdirSync(final);
  await t.rejects(exportEncoder({ from: run, out: final }), { code: "E_WRITE" });
  await t.rejects(exportEncoder({ from: run, out: run }), { code: "E_WRITE" });
  t.same(readdirSync(final), before);
  t.throws(
    () => checkEncoder("x", new Map([["cls_token", [1, 1, 24]]]), { ...microModel, vocabulary: 3 }),
    {
      code: "E_CHECKPOINT_SHAPE",
      message: /no encoder/,
    },
  );
});

t.test("a config.json of something else, or a damaged one", async (t) => {
  const at = join(folder, "damaged");
  mkdirSync(at);
  const wrote = (text: string) => writeFileSync(join(at, "config.json"), text);
  t.equal(await readEncoderConfig(at), undefined);
  wrote('{"model_type": "vit"}');
  t.equal(await readEncoderConfig(at), undefined);
  await t.rejects(exportEncoder({ from: run, out: at }), { code: "E_WRITE" });
  wrote('{"note": "not a medcoss-encoder"}');
  t.equal(await readEncoderConfig(at), undefined);
  wrote('{"format": "medcoss-encoder"');
  await t.rejects(readEncoderConfig(at), { code: "E_CHECKPOINT_CORRUPT", message: /not JSON/ });
  wrote('{"format": "medcoss-encoder", "version": 9}');
  await t.rejects(readEncoderConfig(at), { code: "E_CHECKPOINT_CORRUPT", message: /version/ });
});

t.test("nothing is reconstructed without a decoder", async (t) => {
  const refused = { code: "E_ENCODER_ONLY", message: /no decoder/ };
  const { architecture: _ } = (await readEncoderConfig(encoder)) ?? {};
  const { tensors } = await readHeader(join(encoder, "model.safetensors"));
  const vocabulary = tensors.get("token_embed.embeddings.weight")?.shape[0];
  const size = { ...microModel, vocabulary };
  for (const path of [encoder, join(encoder, "model.safetensors")]) {
    const start = { kind: "file" as const, path, scope: "all" as const };
    await t.rejects(Trainer.create({ size, start, threads: 1 }), refused);
  }
  await using trainer = await Trainer.create({
    ...{ size, threads: 1 },
    start: { kind: "file", path: encoder, scope: "carry-over" },
  });
  await t.rejects(trainer.load(encoder), refused);
  const common = ["--store", store, "--modality", "xray", "--out", join(folder, "pictures")];
  const command = await runCommandLine(["reconstruct", "--checkpoint", encoder, ...common]);
  t.match(command, { code: 1, stdout: "", stderr: /^E_ENCODER_ONLY: .*\n$/ });
  t.notOk(existsSync(join(folder, "pictures")));
});

t.test("the command exports, and says what its options are for", async (t) => {
  const out = join(folder, "by-command");
  const exported = await runCommandLine(["convert", run, out, "--encoder-only", "--json"]);
  t.match(JSON.parse(exported.stdout), { output: out, tensors: done.tensors });
  t.match(await runCommandLine(["convert", run, "x.pth", "--preset", "published"]), {
    code: 2,
    stderr: /^E_CONFIG: --preset: is for --encoder-only/,
  });
  t.match(await runCommandLine(["convert", run, "x.pth", "--model", "base"]), { code: 2 });
});

/** The Python snippet of the page that has a certain line. */
function documentedSnippet(line: string): string {
  const page = readFileSync(join(packageRoot, "docs", "checkpoints.md"), "utf8");
  const snippets = [...page.matchAll(/^ *```python\n([\s\S]*?)^ *```/gm)].map(
    ([, code = ""]) => code,
  );
  const found = snippets.find((code) => code.includes(line));
  if (!found) throw new Error(`docs/checkpoints.md has no snippet with ${line}`);
  return found;
}

const python = findTorch();
const skip = python ? false : "no Python with torch here (MEDCOSS_TEST_PYTHON names one)";
const snippetSize = { ...microModel, encoderLayers: 3, imageSize: 64, vocabulary: 32 };

/** An encoder in the folder `at`/ENCODER and images in `at`/pixels.bin; resolves to its features of these. */
async function exported(at: string): Promise<Float32Array> {
  mkdirSync(at);
  await using trainer = await Trainer.create({ size: snippetSize, threads: 1, seed: 5 });
  const batch = imageBatch(3);
  for (let step = 0; step < 3; step++) {
    const options = { learningRate: 0.05, objective: "plain" as const };
    await trainer.trainStep(batch, { stage: 1, step }, options);
  }
  await trainer.save(at);
  await exportEncoder({ from: at, out: join(at, "ENCODER"), model: snippetSize });
  writeFileSync(join(at, "pixels.bin"), batch.pixels);
  return trainer.features(batch);
}

const images = `
pixels = torch.frombuffer(bytearray(open("pixels.bin", "rb").read()), dtype=torch.uint8)
images = pixels.reshape(3, 64, 64, 3).permute(0, 3, 1, 2) / 255
`;

/** What a script prints, as JSON. */
function runPython(t: Test, script: string, at: string) {
  const outcome = spawnSync(python as string, ["-c", script], {
    cwd: at,
    env: { ...process.env, PYTHONPATH: withSafetensors(python as string, at) },
    encoding: "utf8",
  });
  t.equal(outcome.status, 0, outcome.stderr);
  return JSON.parse(outcome.stdout);
}

t.test("the documented Python computes the same features", { skip }, async (t) => {
  const at = join(folder, "snippet");
  const expected = await exported(at);
  const script = `${documentedSnippet("def feature")}${images}
print(json.dumps(feature(images).tolist()))`;
  const found = runPython(t, script, at).flat() as number[];
  t.equal(found.length, expected.length);
  const worst = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] as number))));
  const spread = Math.max(...expected) - Math.min(...expected);
  t.ok(worst < 1e-4, `largest difference ${worst}`);
  t.ok(spread > 0.1, "the features are not all the same");
});

t.test("the documented classifier learns, and its encoder with it", { skip }, async (t) => {
  const at = join(folder, "classifier");
  await exported(at);
  const script = `${documentedSnippet("def feature")}${images}
torch.manual_seed(0)
given, losses = torch.tensor([0, 1, 0]), []
before = [p.detach().clone() for p in encoder.parameters()]


class Loader:
    def __iter__(self):
        with torch.no_grad():
            losses.append(float(nn.functional.cross_entropy(head(feature(images)), given)))
        yield images, given


loader = Loader()
${documentedSnippet("cross_entropy")}
changed = sum(not torch.equal(a, b) for a, b in zip(before, encoder.parameters()))
print(json.dumps({"losses": losses, "changed": changed, "of": len(before)}))`;
  const { losses, changed, of } = runPython(t, script, at);
  t.equal(losses.length, 20);
  t.ok(losses[19] < losses[0], `${losses[0]} -> ${losses[19]}`);
  t.ok(of > 0);
  t.equal(changed, of, "every weight of the encoder");
});
