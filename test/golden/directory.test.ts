import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { readGolden } from "../../lib/golden/directory.js";
import { readTensors, type Tensor, writeTensors } from "../../lib/safetensors.js";
import { packageRoot } from "../helpers/package-root.js";

const fixture = join(packageRoot, "test/fixtures/golden");

/** A copy of the fixture that a test may spoil. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), "medcoss-golden-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(fixture, folder, { recursive: true });
  return folder;
}

async function withTensor(name: string, tensor: Tensor | undefined): Promise<string> {
  const folder = copy();
  const path = join(folder, "tensors.safetensors");
  const tensors = await readTensors(path);
  if (tensor) tensors.set(name, tensor);
  else tensors.delete(name);
  await writeTensors(path, tensors);
  return folder;
}

const pairs = (values: number[]): Tensor => ({
  dtype: "I64",
  shape: [2, 112],
  data: Int32Array.from(values.flatMap((value) => [value, 0])),
});

t.test("sizes come from the two files", async (t) => {
  const golden = await readGolden(fixture);
  t.match(golden.values, { seed: 7, batch: 2, kmeans: { k: 30 } });
  t.equal(golden.text.width, 112);
  t.strictSame([...golden.text.lengths], [80, 80]);
  t.equal(golden.text.ids.length, 224);
  t.ok(golden.text.labels.includes(-100), "negative labels keep their sign");
});

t.test("32-bit texts are read too", async (t) => {
  const ids: Tensor = { dtype: "I32", shape: [2, 112], data: new Int32Array(224).fill(5) };
  const golden = await readGolden(await withTensor("text.input_ids", ids));
  t.strictSame(new Set(golden.text.ids), new Set([5]));
});

t.test("a missing file is named", async (t) => {
  for (const name of ["golden.json", "tensors.safetensors"]) {
    const folder = copy();
    rmSync(join(folder, name));
    const path = join(folder, name);
    await t.rejects(readGolden(folder), { code: "E_SOURCE_MISSING", values: { path } });
  }
});

t.test("what does not fit is refused with its place", async (t) => {
  const folder = copy();
  const refused = (problem: RegExp) =>
    t.rejects(readGolden(folder), { code: "E_FILE_FORMAT", message: problem });
  writeFileSync(join(folder, "golden.json"), "{");
  await refused(/golden.json is not JSON/);
  writeFileSync(join(folder, "golden.json"), '{"seed":7,"batch":0,"norm_pix_loss":true}');
  await refused(/batch/);
  writeFileSync(join(folder, "golden.json"), '{"seed":7,"batch":3,"norm_pix_loss":true}');
  await refused(/text.attention_mask has shape \[2,112\], expected \[3,112\]/);
});

t.test("texts must be integers, real tokens first", async (t) => {
  const refused = async (name: string, tensor: Tensor | undefined, problem: RegExp) =>
    t.rejects(readGolden(await withTensor(name, tensor)), { message: problem });
  await refused("text.input_ids", undefined, /no tensor text.input_ids/);
  await refused("text.labels", undefined, /no tensor text.labels/);
  const floats: Tensor = { dtype: "F32", shape: [2, 112], data: new Float32Array(224) };
  await refused("text.labels", floats, /expected integers/);
  const holes = Array.from({ length: 224 }, (_, i) => (i === 5 ? 0 : 1));
  await refused("text.attention_mask", pairs(holes), /row 0 is not real tokens/);
  const empty = Array.from({ length: 224 }, (_, i) => (i < 112 ? 1 : 0));
  await refused("text.attention_mask", pairs(empty), /row 1 is not real tokens/);
});
