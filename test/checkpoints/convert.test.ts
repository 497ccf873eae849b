import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { convert, openTensorFile } from "../../lib/checkpoints/convert.js";
import { type Tensor, writeTensors } from "../../lib/safetensors.js";
import { Trainer } from "../../lib/trainer.js";
import { microModel } from "../helpers/micro.js";
import { packageRoot } from "../helpers/package-root.js";

const fixtures = join(packageRoot, "test/fixtures/checkpoints");
const folder = mkdtempSync(join(tmpdir(), "medcoss-convert-"));

/** The fixtures hold every type of number, under names that are no network's. */
const rename = (name: string) => `fused_encoder.${name}`;

async function contents(path: string): Promise<Record<string, [readonly number[], Float32Array]>> {
  const file = await openTensorFile(path);
  const found: Record<string, [readonly number[], Float32Array]> = {};
  for (const [name, shape] of file.tensors) found[name] = [shape, await file.read(name)];
  await file.close();
  return found;
}

t.test("PyTorch to safetensors and back keeps names, shapes, order and values", async (t) => {
  const safe = join(folder, "model.safetensors");
  const back = join(folder, "back.pth");
  const first = await convert(join(fixtures, "zip.pth"), safe, { rename });
  t.match(first, { tensors: 13, output: safe });
  t.equal(
    (await convert(folder, back)).values,
    first.values,
    "a folder means its model.safetensors",
  );
  const names = Object.entries(await contents(join(fixtures, "zip.pth")));
  const original = Object.fromEntries(names.map(([name, value]) => [rename(name), value]));
  t.strictSame(await contents(safe), original);
  t.strictSame(await contents(back), original);
  t.strictSame(Object.keys(await contents(back)), Object.keys(original));
});

t.test("PyTorch loads what is written with weights_only", async (t) => {
  const python = process.env.MEDCOSS_TEST_PYTHON ?? "python3";
  if (spawnSync(python, ["-c", "import torch"]).status !== 0) {
    t.comment("no Python with torch here; the entries are checked instead");
  } else {
    const script = `import sys, torch
a = torch.load(sys.argv[1], weights_only=True)["model"]
b = torch.load(sys.argv[2], weights_only=False)["model"]
assert list(a) == ["fused_encoder." + k for k in b]
assert all(torch.equal(a["fused_encoder." + k], b[k].detach().float()) for k in b)`;
    const run = spawnSync(python, [
      "-c",
      script,
      join(folder, "back.pth"),
      join(fixtures, "zip.pth"),
    ]);
    t.equal(run.status, 0, String(run.stderr));
  }
  const text = readFileSync(join(folder, "back.pth")).toString("latin1");
  for (const name of ["data.pkl", "byteorder", "data/0", "version"]) {
    t.ok(text.includes(`archive/${name}`), name);
  }
});

t.test("equal tensors give equal files", async (t) => {
  await convert(join(folder, "model.safetensors"), join(folder, "again.pth"));
  t.ok(readFileSync(join(folder, "again.pth")).equals(readFileSync(join(folder, "back.pth"))));
});

t.test("the folder of the output is made", async (t) => {
  const output = join(t.testdir(), "new", "folder", "x.pth");
  await convert(join(fixtures, "zip.pth"), output, { rename });
  t.equal(Object.keys(await contents(output)).length, 13);
});

t.test("wrong use leaves nothing behind", async (t) => {
  const before = readdirSync(folder);
  const missing = join(folder, "none.safetensors");
  await t.rejects(convert(missing, join(folder, "x.pth")), { code: "E_NO_CHECKPOINT" });
  await t.rejects(convert(join(fixtures, "make.py"), join(folder, "x.safetensors")), {
    code: "E_CHECKPOINT_CORRUPT",
  });
  await t.rejects(convert(join(fixtures, "zip.pth"), join(folder, "x.zip")), {
    code: "E_ARGUMENT",
  });
  const inFile = join(fixtures, "make.py", "x.pth");
  await t.rejects(convert(join(fixtures, "zip.pth"), inFile, { rename }), { code: "E_WRITE" });
  const foreign = { code: "E_CHECKPOINT_CORRUPT", message: /none of its tensors is one of this/ };
  await t.rejects(convert(join(fixtures, "zip.pth"), join(folder, "x.safetensors")), foreign);
  t.strictSame(readdirSync(folder), before);
});

t.test("a safetensors file of other numbers or a broken one is refused", async (t) => {
  const path = join(folder, "integers.safetensors");
  const name = "fused_encoder.a";
  await writeTensors(path, new Map([[name, { dtype: "I32", shape: [1], data: Int32Array.of(1) }]]));
  await t.rejects(convert(path, join(folder, "x.pth")), {
    code: "E_CHECKPOINT_CORRUPT",
    message: /float32/,
  });
  const broken = join(fixtures, "make.py");
  await t.rejects(openTensorFile(`${broken}.safetensors`), { code: "E_NO_CHECKPOINT" });
});

t.test("what a trainer saved comes back from PyTorch's form to the byte", async (t) => {
  const saved = t.testdir();
  await using trainer = await Trainer.create({ size: microModel, threads: 1 });
  await trainer.save(saved);
  const [model, pth, back] = ["model.safetensors", "model.pth", "back.safetensors"].map((name) =>
    join(saved, name),
  ) as [string, string, string];
  await convert(model, pth);
  await convert(pth, back);
  t.ok(readFileSync(back).equals(readFileSync(model)));
});

t.test("nothing is replaced unless asked for, and the input never", async (t) => {
  const at = t.testdir({ "taken.pth": "mine" });
  const input = join(at, "model.safetensors");
  copyFileSync(join(folder, "model.safetensors"), input);
  const taken = join(at, "taken.pth");
  await t.rejects(convert(input, taken), { code: "E_OUTPUT_EXISTS", exitCode: 2 });
  t.equal(readFileSync(taken, "utf8"), "mine");
  symlinkSync("nowhere", join(at, "dangling.pth"));
  await t.rejects(convert(input, join(at, "dangling.pth")), { code: "E_OUTPUT_EXISTS" });
  await convert(input, taken, { force: true });
  t.strictSame(await contents(taken), await contents(input));
  const alias = join(at, "alias.safetensors");
  symlinkSync("model.safetensors", alias);
  const own = { code: "E_ARGUMENT", message: /another file than the one to convert/ };
  for (const output of [input, alias]) {
    for (const from of [input, at]) {
      await t.rejects(convert(from, output, { force: true }), own);
    }
  }
  t.strictSame(await contents(input), await contents(taken));
});

t.test("the state of an optimiser is not a model", async (t) => {
  const path = join(folder, "optimizer.safetensors");
  const state = (name: string): [string, Tensor] => [
    `fused_encoder.layers.0.gamma_1.${name}`,
    { dtype: "F32", shape: [1], data: Float32Array.of(1) },
  ];
  await writeTensors(path, new Map([state("exp_avg"), state("exp_avg_sq"), state("step")]));
  await t.rejects(convert(path, join(folder, "x.pth")), {
    code: "E_CHECKPOINT_CORRUPT",
    message: /holds the state of an optimiser; the network is in model.safetensors beside it/,
  });
});
