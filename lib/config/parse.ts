/**
 * From JSON files, flags and `--set` to a checked configuration.
 *
 * Invariant: a value reaches a schema through here only, so every mistake is E_CONFIG with its field and, for an
 * unknown key, the nearest known one.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { MedcossError } from "../errors.js";
import { nearest } from "./nearest.js";
import { problemOf } from "./problems.js";

export type PlainObject = Record<string, unknown>;

function isPlainObject(value: unknown): value is PlainObject {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

/** Deep merge; later sources win, arrays and class instances are replaced whole. `undefined` never overrides. */
export function merge(...sources: readonly PlainObject[]): PlainObject {
  const out: PlainObject = {};
  for (const source of sources) {
    for (const [key, value] of Object.entries(source)) {
      if (value === undefined) continue;
      const before = out[key];
      out[key] = isPlainObject(value) ? merge(isPlainObject(before) ? before : {}, value) : value;
    }
  }
  return out;
}

interface JsonNode {
  properties?: Record<string, JsonNode>;
  anyOf?: JsonNode[];
  $ref?: string;
}

/** Names of the fields that a schema knows at `path`. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let nodes = [
    z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }) as JsonNode,
  ];
  const flatten = (node: JsonNode): JsonNode[] =>
    node.anyOf ? node.anyOf.flatMap(flatten) : [node];
  for (const key of path) {
    nodes = nodes.flatMap(flatten).flatMap((node) => node.properties?.[String(key)] ?? []);
  }
  return [...new Set(nodes.flatMap(flatten).flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** How much an issue tells of what was meant. */
const telling: Record<string, number> = {
  unrecognized_keys: 3,
  invalid_value: 1,
  invalid_format: 1,
};

/** The issue that best explains a failed union: of the branch that came closest to the value. */
function closest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const inner = issue.errors
    .flat()
    .map((each) => closest({ ...each, path: [...issue.path, ...each.path] } as typeof each));
  const rank = (each: z.core.$ZodIssue) => each.path.length * 4 + (telling[each.code] ?? 0);
  return inner.sort((one, other) => rank(other) - rank(one))[0] ?? issue;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown>)?.[key], input);
}

function toError(schema: z.ZodType, error: z.ZodError, input: unknown): MedcossError {
  const issue = closest(error.issues[0] as z.core.$ZodIssue);
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] as string;
    const hint = nearest(key, knownKeys(schema, issue.path));
    return new MedcossError("E_CONFIG", {
      field: [...issue.path, key].join("."),
      problem: `unknown field${hint ? `; did you mean ${hint}?` : ""}`,
    });
  }
  const field = issue.path.join(".") || "configuration";
  const problem = problemOf(issue, valueAt(input, issue.path));
  return new MedcossError("E_CONFIG", { field, problem });
}

/** Parses `input` with `schema`; throws E_CONFIG with the first problem. */
export function parseConfig<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (!result.success) throw toError(schema, result.error, input);
  return result.data;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `["a.b=1", "c=x"]` -> `{a: {b: 1}, c: "x"}`: values are JSON, anything else is text. */
export function parseAssignments(assignments: readonly string[]): PlainObject {
  const parts = assignments.map((assignment) => {
    const at = assignment.indexOf("=");
    if (at < 1)
      throw new MedcossError("E_CONFIG", {
        field: "--set",
        problem: `expected KEY=VALUE, received ${assignment}`,
      });
    return assignment
      .slice(0, at)
      .split(".")
      .reduceRight<unknown>(
        (value, key) => ({ [key]: value }),
        parseValue(assignment.slice(at + 1)),
      );
  });
  return merge(...(parts as PlainObject[]));
}

/** Reads a JSON configuration file; a `$schema` entry is for editors and is left out. */
export async function readConfigFile(path: string): Promise<PlainObject> {
  const problem = (text: string) => new MedcossError("E_CONFIG", { field: path, problem: text });
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw problem(error.code === "ENOENT" ? "no such file" : error.message);
  });
  const value = parseValue(text);
  if (!isPlainObject(value)) throw problem("not a JSON object");
  const { $schema: _, ...config } = value;
  return config;
}

/** What a command line gives, weakest first: file, flags, `--set`. */
export async function gatherConfig(sources: {
  file?: string;
  flags: PlainObject;
  set?: readonly string[];
}): Promise<PlainObject> {
  const file = sources.file === undefined ? {} : await readConfigFile(sources.file);
  return merge(file, sources.flags, parseAssignments(sources.set ?? []));
}
