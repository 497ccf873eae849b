import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { convert, openTensorFile } from "../../lib/checkpoints/convert.js";
import { writeTensors } from "../../lib/safetensors.js";
import { packageRoot } from "../helpers/package-root.js";

const fixtures = join(packageRoot, "test/fixtures/checkpoints");
const folder = mkdtempSync(join(tmpdir(), "medcoss-convert-"));

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
  const first = await convert(join(fixtures, "zip.pth"), safe);
  t.match(first, { tensors: 13, output: safe });
  t.equal(
    (await convert(folder, back)).values,
    first.values,
    "a folder means its model.safetensors",
  );
  const original = await contents(join(fixtures, "zip.pth"));
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
assert list(a) == list(b)
assert all(torch.equal(a[k], b[k].detach().float()) for k in b)`;
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
  await t.rejects(convert(join(fixtures, "zip.pth"), join(folder, "none/x.pth")), {
    code: "ENOENT",
  });
  t.strictSame(readdirSync(folder), before);
});

t.test("a safetensors file of other numbers or a broken one is refused", async (t) => {
  const path = join(folder, "integers.safetensors");
  await writeTensors(path, new Map([["a", { dtype: "I32", shape: [1], data: Int32Array.of(1) }]]));
  await t.rejects(convert(path, join(folder, "x.pth")), {
    code: "E_CHECKPOINT_CORRUPT",
    message: /float32/,
  });
  const broken = join(fixtures, "make.py");
  await t.rejects(openTensorFile(`${broken}.safetensors`), { code: "E_NO_CHECKPOINT" });
});
