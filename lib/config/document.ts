/**
 * The generated parts of docs/configuration.md and docs/your-data.md: the tables of fields and of presets.
 *
 * Invariant: everything comes from the schemas and the presets; a test compares the file with this text.
 */
import { z } from "zod";
import { behaviourSchema } from "./behaviour.js";
import { packSchema } from "./pack.js";
import { packPresets } from "./pack-presets.js";
import { presets } from "./presets.js";
import { pretrainSchema } from "./training.js";

interface Node {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Node>;
  prefixItems?: Node[];
  items?: Node;
  anyOf?: Node[];
}

interface Field {
  name: string;
  type: string;
  fallback: string;
  text: string;
}

const code = (value: unknown) => `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

function typeOf(node: Node): string {
  if (node.anyOf) return node.anyOf.map(typeOf).join(" or ");
  if (node.enum) return node.enum.map(code).join(", ");
  if (node.prefixItems) return `${node.prefixItems.length} numbers`;
  if (node.items) return `list of ${typeOf(node.items)}s`;
  if (node.type === "integer") return "whole number";
  return node.type ?? "any";
}

function fieldsOf(node: Node, prefix: string): Field[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, inner]) => {
    const name = `${prefix}${key}`;
    if (inner.properties) return fieldsOf(inner, `${name}.`);
    const fallback = inner.default === undefined ? "" : code(inner.default);
    return [{ name, type: typeOf(inner), fallback, text: inner.description ?? "" }];
  });
}

function jsonOf(schema: z.ZodType): Node {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }) as Node;
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function valueAt(object: unknown, path: string): unknown {
  return path.split(".").reduce((inner, key) => (inner as Record<string, unknown>)[key], object);
}

/** Fields of a run; those of the presets have their default in the other table. */
export function fieldTable(): string {
  const rows = fieldsOf(jsonOf(pretrainSchema), "").map(({ name, type, fallback, text }) => [
    code(name),
    type.replaceAll("|", "\\|"),
    fallback,
    text,
  ]);
  return table(["field", "value", "default", "meaning"], rows);
}

/** Options of the presets with both presets' values. */
export function presetTable(): string {
  const preset = (value: unknown) => (value === undefined ? "none" : code(value));
  const [published, corrected] = [presets.published(), presets.corrected()];
  const rows = fieldsOf(jsonOf(behaviourSchema), "").map(({ name, text }) => [
    code(name),
    preset(valueAt(published, name)),
    preset(valueAt(corrected, name)),
    text,
  ]);
  return table(["option", "published", "corrected", "meaning"], rows);
}

/** What the preset `physical` of `pack` changes under `preprocessing`, with the published values. */
export function packPresetTable(): string {
  const node = jsonOf(packSchema).properties?.preprocessing as Node;
  const published = new Map(fieldsOf(node, "").map(({ name, fallback }) => [name, fallback]));
  const rows = Object.entries(packPresets.physical).map(([name, { value, why }]) => [
    code(name),
    published.get(name) || "none",
    code(value),
    why,
  ]);
  return table(["option", "published", "physical", "why"], rows);
}

const mark = (name: string) => `<!-- generated: ${name} -->`;
const end = "<!-- end -->";

/** `page` with the text between the marks of `name` replaced. */
export function fillGenerated(page: string, name: string, content: string): string {
  const from = page.indexOf(mark(name));
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`the page has no marks for ${name}`);
  return `${page.slice(0, from)}${mark(name)}\n\n${content}\n\n${page.slice(to)}`;
}
