import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { gatherConfig, merge, parseAssignments, parseConfig } from "../../lib/config/parse.js";
import { pretrainSchema } from "../../lib/config/training.js";
import { MedcossError } from "../../lib/errors.js";

const minimal = { store: "s", out: "o" };

function refusal(input: unknown): string {
  try {
    parseConfig(pretrainSchema, input);
  } catch (error) {
    if (error instanceof MedcossError && error.code === "E_CONFIG") return error.message;
    throw error;
  }
  return "accepted";
}

t.test("unknown fields are refused with the nearest known one", async (t) => {
  t.equal(refusal({ ...minimal, epoch: 3 }), "epoch: unknown field; did you mean epochs?");
  t.equal(
    refusal({ ...minimal, attention: { texts: "causal" } }),
    "attention.texts: unknown field; did you mean text?",
  );
  t.equal(refusal({ ...minimal, zzzzzz: 3 }), "zzzzzz: unknown field");
});

t.test("values are refused with their field", async (t) => {
  t.match(refusal({ out: "o" }), /^store: is missing/);
  t.equal(
    refusal({ ...minimal, device: "gpu" }),
    "device: expected cpu, cuda or cuda:N, received gpu",
  );
  t.match(refusal({ ...minimal, stages: ["ct", "ct"] }), /^stages: expected each modality once, /);
  t.equal(
    refusal({ ...minimal, model: "tinny" }),
    "model: expected tiny, small, base or large, received tinny; did you mean tiny?",
  );
  t.equal(refusal(7), "configuration: expected an object, received 7");
});

t.test("what was expected and what was received, in words", async (t) => {
  const cases: Array<[input: object, line: string]> = [
    [{ epochs: 0 }, "epochs: expected a number above 0, received 0"],
    [{ epochs: Number.NaN }, "epochs: expected a number, received NaN"],
    [{ epochs: 1.5 }, "epochs: expected a whole number, received 1.5"],
    [{ seed: -1 }, "seed: expected a number of at least 0, received -1"],
    [{ workers: 65 }, "workers: expected a number of at most 64, received 65"],
    [{ masking: { ratio: 1 } }, "masking.ratio: expected a number below 1, received 1"],
    [{ store: "" }, 'store: expected at least 1 character, received ""'],
    [{ store: null }, "store: expected a text, received null"],
    [{ stages: [] }, "stages: expected at least 1 entry, received []"],
    [
      { optimizer: { maxGradientNorm: 0 } },
      "optimizer.maxGradientNorm: expected a number above 0, received 0",
    ],
    [
      { optimizer: { maxGradientNorm: "none" } },
      "optimizer.maxGradientNorm: expected a number, received none",
    ],
    [{ images: { cropScale: [1] } }, "images.cropScale: expected at least 2 entries, received [1]"],
    [{ replay: "x".repeat(99) }, `replay: expected true or false, received ${"x".repeat(60)}...`],
    [
      { buffer: { method: "k-means" } },
      "buffer.method: expected kmeans, random or herding, received k-means; did you mean kmeans?",
    ],
    [
      { buffer: { budget: "5 apples" } },
      "buffer.budget: expected a number of samples or a size such as 200MB, received 5 apples",
    ],
  ];
  for (const [input, line] of cases) t.equal(refusal({ ...minimal, ...input }), line);
});

t.test("dimensions of one's own are checked where they are wrong", async (t) => {
  const model = {
    encoderWidth: 48,
    encoderLayers: 2,
    encoderHeads: 3,
    decoderWidth: 32,
    decoderLayers: 1,
    decoderHeads: 2,
  };
  t.equal(refusal({ ...minimal, model }), "accepted");
  t.match(refusal({ ...minimal, model: { ...model, encoderHeads: 5 } }), /^model.encoderHeads: /);
  t.match(refusal({ ...minimal, model: { ...model, decoderHeads: 5 } }), /^model.decoderHeads: /);
  t.match(refusal({ ...minimal, model: { ...model, imageSize: 50 } }), /^model.imageSize: /);
  t.match(
    refusal({ ...minimal, model: { ...model, encoderwidth: 1 } }),
    /^model.encoderwidth: unknown field; did you mean encoderWidth\?/,
  );
});

t.test("assignments reach nested fields; values are JSON, else text", async (t) => {
  t.same(parseAssignments(["a.b=1e-3", "a.c=x y", "d=[1,2]", "e=true", "f=a=b"]), {
    a: { b: 1e-3, c: "x y" },
    d: [1, 2],
    e: true,
    f: "a=b",
  });
  t.throws(() => parseAssignments(["nothing"]), { code: "E_CONFIG" });
  t.throws(() => parseAssignments(["=1"]), { code: "E_CONFIG" });
});

t.test("merging keeps what is not named and replaces arrays whole", async (t) => {
  t.same(
    merge({ a: { b: 1, c: 2 }, d: [1, 2] }, { a: { b: 3 }, d: [4] }, { a: { c: undefined } }),
    { a: { b: 3, c: 2 }, d: [4] },
  );
});

t.test("a file is weaker than flags, flags than assignments", async (t) => {
  const file = join(t.testdir(), "config.json");
  await writeFile(file, JSON.stringify({ $schema: "x", epochs: 1, seed: 1, batchSize: 1 }));
  const config = await gatherConfig({ file, flags: { epochs: 2, seed: 2 }, set: ["seed=3"] });
  t.same(config, { epochs: 2, seed: 3, batchSize: 1 });
  t.same(await gatherConfig({ flags: { epochs: undefined } }), {});
});

t.test("a file that is missing or no JSON object is refused", async (t) => {
  const folder = t.testdir({ "list.json": "[1]", "torn.json": "{" });
  for (const name of ["none.json", "list.json", "torn.json"]) {
    await t.rejects(gatherConfig({ file: join(folder, name), flags: {} }), { code: "E_CONFIG" });
  }
  await t.rejects(gatherConfig({ file: folder, flags: {} }), { code: "E_CONFIG" });
});
