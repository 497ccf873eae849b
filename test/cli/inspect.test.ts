import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { convert } from "../../lib/checkpoints/convert.js";
import { exportEncoder } from "../../lib/features/encoder.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { Trainer } from "../../lib/trainer.js";
import { runCommandLine } from "../helpers/command.js";
import { microModel, microStore, microTraining } from "../helpers/micro.js";

t.setTimeout(240_000);

t.test("runs, stages and checkpoints, for people and for programs", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  await pretrain({ store, out, ...microTraining, stages: ["xray", "ct"], reconstructions: 0 });
  const run = await runCommandLine(["inspect", out, "--verify"]);
  t.match(run, { code: 0, stdout: /Digests +verified\n[\s\S]*1 xray +6 +0 +24 / });
  t.match(run.stdout, /State +finished\nModel +24 x 1, decoder 24 x 1\nPreset +corrected\n/);
  t.match(run.stdout, /Stages +xray, ct\nBuffers +stages\/01-xray\/buffer.json, stages\/02-ct\//);
  t.match(await runCommandLine(["inspect", out]), { stdout: /Digests +not compared/ });
  const stage = await runCommandLine(["inspect", join(out, "stages", "01-xray")]);
  t.match(stage.stdout, /Model +24 x 1, decoder 24 x 1: \d+ tensors, /);
  t.match(
    stage.stdout,
    /Trained +stage 1 \(xray\), 6 steps\nHolds +encoder, decoder and heads, optimizer\n/,
  );
  const optimizer = join(out, "stages", "01-xray", "checkpoint", "optimizer.safetensors");
  t.match(
    (await runCommandLine(["inspect", optimizer])).stdout,
    /Model +none: .*\n.*\nHolds +no network: it holds the state of an optimiser; /,
  );
  const metrics = await runCommandLine(["inspect", join(out, "metrics.jsonl")]);
  t.match(metrics, { code: 0, stdout: `see: medcoss inspect ${out}\n` });
  const config = await runCommandLine(["inspect", join(out, "config.json"), "--json"]);
  t.same(JSON.parse(config.stdout), {
    kind: "part",
    path: join(out, "config.json"),
    what: "the configuration of a run",
    folder: out,
  });
  const final = await runCommandLine(["inspect", join(out, "final"), "--json", "--verify"]);
  t.match(JSON.parse(final.stdout), {
    kind: "checkpoint",
    stage: 2,
    modality: "ct",
    step: 6,
    optimizer: false,
    decoder: true,
    verified: true,
  });
  const model = join(out, "stages", "02-ct", "checkpoint", "model.safetensors");
  rmSync(join(out, "stages", "02-ct", "summary.json"));
  rmSync(join(out, "final"), { recursive: true });
  const open = JSON.parse((await runCommandLine(["inspect", out, "--json"])).stdout);
  t.match(open, { kind: "run", finished: false, running: { modality: "ct", step: 6 } });
  const text = await runCommandLine(["inspect", out]);
  t.match(
    text.stdout,
    /State +not finished: ct after 6 steps, loss [\d.e-]+ in epoch 2; --resume /,
  );
  t.match(text.stdout, /Stages +xray, ct; to do: ct\n/);
  writeFileSync(model, "torn");
  const torn = await runCommandLine(["inspect", join(out, "stages", "02-ct"), "--verify"]);
  t.match(torn, { code: 1, stderr: /^E_[A-Z_]+: / });
});

t.test("encoders alone and PyTorch files", async (t) => {
  const folder = t.testdir();
  await using trainer = await Trainer.create({ size: microModel, threads: 1 });
  await trainer.save(folder);
  const out = join(folder, "encoder");
  const config = { from: folder, out, model: microModel };
  await exportEncoder(config);
  const encoder = await runCommandLine(["inspect", out]);
  t.match(
    encoder.stdout,
    /Model +24 x 1: \d+ tensors, .*\nTrained +unknown\nHolds +encoder only\n/,
  );
  const weights = join(folder, "weights.pth");
  await convert(folder, weights);
  const pytorch = await runCommandLine(["inspect", weights]);
  t.match(
    pytorch.stdout,
    /Model +24 x 1, decoder 24 x 1: .*\n.*\nHolds +encoder, decoder and heads\n/,
  );
});

t.test("stores are described, what is missing is said", async (t) => {
  const folder = t.testdir();
  const named = join(folder, "named.json");
  mkdirSync(named);
  t.match(await runCommandLine(["inspect", named]), { code: 1, stderr: /^E_FILE_UNSUPPORTED: / });
  const store = await microStore(folder);
  t.match(await runCommandLine(["inspect", store]), { code: 0, stdout: /xray/ });
  writeFileSync(join(folder, "config.json"), "{}");
  t.match(await runCommandLine(["inspect", join(folder, "config.json")]), {
    code: 1,
    stderr: /^E_FILE_UNSUPPORTED: /,
  });
  const described = await runCommandLine(["inspect", store, "--json"]);
  t.match(JSON.parse(described.stdout), { kind: "store" });
  t.match(await runCommandLine(["inspect", join(folder, "none")]), {
    code: 2,
    stderr: /^E_SOURCE_MISSING: /,
  });
});
