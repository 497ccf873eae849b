import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import t from "tap";
import yazl from "yazl";
import { openPth } from "../../lib/checkpoints/pth.js";
import { packageRoot } from "../helpers/package-root.js";

const fixtures = join(packageRoot, "test/fixtures/checkpoints");
const folder = mkdtempSync(join(tmpdir(), "medcoss-pth-"));

/** A zip archive of stored (or deflated) entries. */
async function zipOf(entries: Record<string, Buffer | string>, compress = false): Promise<Buffer> {
  const zip = new yazl.ZipFile();
  for (const [name, bytes] of Object.entries(entries)) {
    zip.addBuffer(Buffer.from(bytes as string), name, { compress });
  }
  zip.end();
  return buffer(zip.outputStream);
}

function written(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A state of one float32 tensor; `shape`, `offset`, `numel` may disagree with the storage. */
function statePickle(shape: number, offset = 0, numel = 2, stride = 1): Buffer {
  const int = (n: number) => `J${Buffer.from(Int32Array.of(n).buffer).toString("latin1")}`;
  const text = (s: string) =>
    `X${Buffer.from(Int32Array.of(s.length).buffer).toString("latin1")}${s}`;
  const storage = `(${text("storage")}ctorch\nFloatStorage\n${text("0")}${text("cpu")}${int(numel)}tQ`;
  const args = `(${storage}${int(offset)}(${int(shape)}t(${int(stride)}t\x89Nt`;
  const tensor = `ctorch._utils\n_rebuild_tensor_v2\n${args}R`;
  return Buffer.from(`\x80\x02}${text("weight")}${tensor}s.`, "latin1");
}

const expected: Record<string, number[]> = {
  row_major: Array.from({ length: 15 }, (_, i) => i / 4),
  parameter: [0, 1, 2, 3, 4, 5, 6],
  half: [0.5, -2, 6.09755516052246e-5, 65504, 2 ** -24, Number.POSITIVE_INFINITY],
  bfloat: [1, -0.15625, 226 * 2 ** 120],
  transposed: Array.from({ length: 24 }, (_, i) => Math.floor(i / 4) + 6 * (i % 4)),
  window: [8, 9, 14, 15],
  scalar: [3.5],
  integers: [-1, 2 ** 40],
  int32: [-5, 6],
  int16: [-7, 8],
  int8: [-9, 10],
  bytes: [0, 255],
  double: [0.1, -1e30],
};

for (const form of ["zip", "legacy"]) {
  t.test(`the ${form} form gives every tensor of PyTorch's file`, async (t) => {
    const file = await openPth(join(fixtures, `${form}.pth`));
    t.strictSame([...file.tensors.keys()], Object.keys(expected), "only the model, in order");
    t.strictSame(file.tensors.get("transposed"), [6, 4]);
    for (const [name, values] of Object.entries(expected)) {
      t.strictSame(await file.read(name), Float32Array.from(values), name);
    }
    await t.rejects(file.read("absent"), { code: "E_CHECKPOINT_CORRUPT" });
    await file.close();
  });

  t.test(`a ${form} file cut anywhere is refused`, async (t) => {
    const bytes = readFileSync(join(fixtures, `${form}.pth`));
    for (let share = 0; share < 1; share += 0.05) {
      const path = written("cut.pth", bytes.subarray(0, Math.floor(bytes.length * share)));
      await t.rejects(openPth(path), { code: "E_CHECKPOINT_CORRUPT" }, `${share.toFixed(2)}`);
    }
  });
}

t.test("a missing file is named", async (t) => {
  await t.rejects(openPth(join(folder, "none.pth")), { code: "E_NO_CHECKPOINT" });
});

t.test("nothing that a pickle names is called", async (t) => {
  const call = Buffer.from(
    "\x80\x02}X\x01\x00\x00\x00acos\nsystem\nX\x04\x00\x00\x00exit\x85Rs.",
    "latin1",
  );
  const path = written("call.pth", await zipOf({ "archive/data.pkl": call }));
  await t.rejects(openPth(path), { code: "E_CHECKPOINT_CORRUPT", message: /no tensors/ });
});

t.test("an archive entry that leaves the archive is refused", async (t) => {
  const bytes = await zipOf({
    "archive/data.pkl": statePickle(2),
    "archive/xx/data/0": "12345678",
  });
  const hostile = Buffer.from(
    bytes.toString("latin1").replaceAll("archive/xx/", "../../../x/"),
    "latin1",
  );
  await t.rejects(openPth(written("leaves.pth", hostile)), {
    code: "E_CHECKPOINT_CORRUPT",
    message: /relative path/,
  });
});

t.test("sizes that disagree are refused", async (t) => {
  const data = { "archive/data/0": Buffer.alloc(8) };
  const cases: Array<[string, Record<string, Buffer>, RegExp]> = [
    ["more elements than the storage", { "archive/data.pkl": statePickle(3), ...data }, /beyond/],
    ["an offset past the end", { "archive/data.pkl": statePickle(2, 1), ...data }, /beyond/],
    ["a repeated element", { "archive/data.pkl": statePickle(1e9, 0, 2, 0), ...data }, /beyond/],
    ["no description", data, /without a PyTorch state/],
  ];
  for (const [name, entries, message] of cases) {
    const path = written("sizes.pth", await zipOf(entries));
    await t.rejects(openPth(path), { code: "E_CHECKPOINT_CORRUPT", message }, name);
  }
});

t.test("a storage that is missing, of another size or compressed is refused", async (t) => {
  const pickle = { "a/data.pkl": statePickle(2) };
  const cases: Array<[string, Buffer, RegExp]> = [
    ["missing", await zipOf(pickle), /missing or of another size/],
    ["long", await zipOf({ ...pickle, "a/data/0": Buffer.alloc(12) }), /another size/],
    ["deflated", await zipOf({ ...pickle, "a/data/0": Buffer.alloc(8) }, true), /compressed/],
  ];
  for (const [name, bytes, message] of cases) {
    const path = written(`${name}.pth`, bytes);
    await t.rejects(openPth(path), { code: "E_CHECKPOINT_CORRUPT", message }, name);
  }
});
