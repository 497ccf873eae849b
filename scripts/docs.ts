/**
 * Writes the generated parts of docs/ and the JSON Schema of a run. `npx tsx scripts/docs.ts`; tests compare them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { commandPages } from "../lib/cli/document.js";
import { createProgram } from "../lib/cli/program.js";
import { fieldTable, fillGenerated, packPresetTable, presetTable } from "../lib/config/document.js";
import { jsonSchema } from "../lib/config/json-schema.js";
import { errorTable } from "../lib/errors.js";

const docs = new URL("../docs/", import.meta.url);

function fill(page: string, parts: Record<string, string>): void {
  const path = new URL(page, docs);
  let text = readFileSync(path, "utf8");
  for (const [name, content] of Object.entries(parts)) text = fillGenerated(text, name, content);
  writeFileSync(path, text);
}

fill("configuration.md", { fields: fieldTable(), presets: presetTable() });
fill("your-data.md", { "pack presets": packPresetTable() });
fill("errors.md", { errors: errorTable() });
fill("cli.md", { commands: commandPages(await createProgram()) });
writeFileSync(
  new URL("pretrain.schema.json", docs),
  `${JSON.stringify(jsonSchema("pretrain"), null, 2)}\n`,
);
