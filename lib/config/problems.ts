/**
 * What is wrong with a value, in one line: what was expected, what was received, and the nearest known name.
 *
 * Invariant: a schema's own words ("Expected ...") win; those of the schema library reach nobody.
 */
import type { z } from "zod";
import { counted } from "../format.js";
import { nearest } from "./nearest.js";

const MOST_SHOWN = 60;

/** Names of types as a reader knows them. */
const types: Record<string, string> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
};

interface Bounds {
  inclusive: string;
  exclusive: string;
}

const least: Bounds = { inclusive: "at least", exclusive: "above" };
const most: Bounds = { inclusive: "at most", exclusive: "below" };

function listed(values: readonly unknown[]): string {
  const names = values.map(String);
  const last = names.pop() as string;
  return names.length > 0 ? `${names.join(", ")} or ${last}` : last;
}

function shown(value: unknown): string {
  if (value === "") return '""';
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text;
}

/** `a number of at least 1`, `a number above 0`, `at least 1 character`. */
function bounded(origin: string, limit: number, inclusive: boolean, words: Bounds): string {
  if (origin === "string") return `${words.inclusive} ${counted(limit, "character")}`;
  if (origin === "array") return `${words.inclusive} ${limit} ${limit === 1 ? "entry" : "entries"}`;
  return `a number ${inclusive ? `of ${words.inclusive}` : words.exclusive} ${limit}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith("Expected")) return issue.message.replace(/^E/, "e");
  switch (issue.code) {
    case "invalid_value":
      return `expected ${listed(issue.values)}`;
    case "too_small":
      return `expected ${bounded(issue.origin, Number(issue.minimum), issue.inclusive === true, least)}`;
    case "too_big":
      return `expected ${bounded(issue.origin, Number(issue.maximum), issue.inclusive === true, most)}`;
  }
  return issue.code === "invalid_type"
    ? `expected ${types[issue.expected] ?? issue.expected}`
    : issue.message;
}

/** The problem with `value` at the place of `issue`. */
export function problemOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined) return "is missing";
  const hint = issue.code === "invalid_value" && nearest(String(value), issue.values.map(String));
  return `${expectation(issue)}, received ${shown(value)}${hint ? `; did you mean ${hint}?` : ""}`;
}
