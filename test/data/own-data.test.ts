/** The examples of docs/your-data.md, run as they stand. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import ts from "typescript";
import { packageRoot } from "../helpers/package-root.js";

t.setTimeout(120_000);
const page = readFileSync(join(packageRoot, "docs", "your-data.md"), "utf8");
const examples = [...page.matchAll(/```ts\n(.*?)```/gs)].map((found) => found[1] as string);
const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
const library = new URL(`../../lib/index.${ending}`, import.meta.url).href;

t.test("every example trains", async (t) => {
  const folder = t.testdir();
  t.equal(examples.length, 2);
  for (const [number, example] of examples.entries()) {
    const out = join(folder, `run${number}`);
    mkdirSync(out);
    const text = example.replace('"medcoss"', `"${library}"`).replace('"runs/', `"${out}/`);
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    const { outputText } = ts.transpileModule(text, { compilerOptions: options });
    const file = join(folder, `example${number}.mjs`);
    writeFileSync(file, outputText);
    await import(pathToFileURL(file).href);
    const name = example.includes("squares") ? "squares" : "stream";
    const rows = readFileSync(join(out, name, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n");
    t.match(
      rows.map((row) => JSON.parse(row)).filter(({ kind }) => kind === "plain"),
      [
        { step: 1, loss: Number },
        { step: 2, loss: Number },
      ],
      name,
    );
  }
});
