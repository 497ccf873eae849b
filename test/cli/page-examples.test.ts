/** The TypeScript of the task pages, run as it stands but for the size of the network and of the data. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import ts from "typescript";
import { readRows } from "../../lib/metrics/rows.js";
import { readBuffer } from "../../lib/replay/buffer-file.js";
import { writeImage } from "../helpers/corpus.js";
import { microModel, microStore } from "../helpers/micro.js";
import { packageRoot } from "../helpers/package-root.js";

t.setTimeout(120_000);
const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
const library = new URL(`../../lib/index.${ending}`, import.meta.url).href;
const { vocabulary: _, ...model } = microModel;
const [home, folder] = [process.cwd(), t.testdir()];
process.chdir(folder);
t.teardown(() => process.chdir(home));

/** What the pages leave to their reader. */
const readers = `const myDataset = {
  kind: "image2d", record: { dtype: "u8", shape: [32, 32, 1] }, length: 40,
  read: (index, into) => { into.data.fill(index, 0, 512); },
};`;

/** Runs the only example of a page, smaller, and returns its values of these names. */
async function run(page: string, names: readonly string[] = []): Promise<Record<string, unknown>> {
  const text = readFileSync(join(packageRoot, "docs", page), "utf8");
  const examples = [...text.matchAll(/```ts\n(.*?)```/gs)].map((found) => found[1] as string);
  t.equal(examples.length, 1, `${page} has one example`);
  const size = `${JSON.stringify(model)}, threads: 1, maxSteps: 2, batchSize: 4`;
  const smaller = (examples[0] as string)
    .replace('"medcoss"', JSON.stringify(library))
    .replaceAll("models.small()", size)
    .replaceAll(/batchSize: \d\d+/g, "batchSize: 4")
    .replace("data: myDataset,", `data: myDataset, model: ${size},`);
  const module = `${readers}\n${smaller}\nexport { ${names.join(", ")} };`;
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(module, { compilerOptions: options });
  const file = join(folder, page.replace(".md", ".mjs"));
  writeFileSync(file, outputText);
  return import(pathToFileURL(file).href);
}

await microStore(folder);

t.test("pre-train: a run, a stage of its own, and steps until the loss is low", async (t) => {
  t.match(await run("pre-train.md", ["run"]), { run: { stages: [{}, {}, {}] } });
  for (const name of ["a", "ct", "own"]) {
    const rows = await readRows(join(folder, "runs", name, "metrics.jsonl"));
    t.ok(rows.filter(({ kind }) => kind === "plain").length > 0, name);
  }
});

t.test("replay: a buffer, a smaller one, features", async (t) => {
  const { values, samples, width } = await run("replay.md", ["values", "samples", "width"]);
  t.match(values, { length: 3 * model.encoderWidth });
  t.match({ samples, width }, { samples: 3, width: model.encoderWidth });
  t.ok((await readBuffer("small.json")).samples.length > 0);
});

t.test("continue: a sixth modality after a finished run", async (t) => {
  mkdirSync("ultrasound");
  for (let i = 0; i < 6; i++) await writeImage(join("ultrasound", `${i}.png`), 10 * i);
  const { stage } = await run("continue.md", ["stage"]);
  t.match(stage, { steps: 8, replaySteps: 6 });
});
