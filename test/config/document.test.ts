import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  fieldTable,
  fillGenerated,
  packPresetTable,
  presetTable,
} from "../../lib/config/document.js";
import { jsonSchema, schemas } from "../../lib/config/json-schema.js";
import { packageRoot } from "../helpers/package-root.js";

const docs = join(packageRoot, "docs");
const page = readFileSync(join(docs, "configuration.md"), "utf8");

t.test("docs/configuration.md is what the schemas say", async (t) => {
  t.equal(page, fillGenerated(page, "fields", fieldTable()));
  t.equal(page, fillGenerated(page, "presets", presetTable()));
  t.throws(() => fillGenerated(page, "nothing", ""), /no marks/);
});

t.test("docs/your-data.md has the presets of pack", async (t) => {
  const text = readFileSync(join(docs, "your-data.md"), "utf8");
  t.equal(text, fillGenerated(text, "pack presets", packPresetTable()));
  t.match(text, /\| `mri.antialias` \| `false` \| `true` \|/);
});

t.test("docs/pretrain.schema.json is the schema of a run", async (t) => {
  const file = JSON.parse(readFileSync(join(docs, "pretrain.schema.json"), "utf8"));
  t.same(file, jsonSchema("pretrain"));
});

t.test("every field of every schema is documented", async (t) => {
  const visit = (node: Record<string, unknown>, path: string): void => {
    const properties = (node.properties ?? {}) as Record<string, Record<string, unknown>>;
    for (const [key, inner] of Object.entries(properties)) {
      if (inner.properties) visit(inner, `${path}.${key}`);
      else if (!inner.description) t.fail(`${path}.${key} has no description`);
    }
  };
  for (const name of Object.keys(schemas) as Array<keyof typeof schemas>) {
    visit(jsonSchema(name), name);
  }
});
