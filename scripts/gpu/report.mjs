/**
 * Puts the findings of all parts into `report.md` and `report.json`; exits with 1 where a claim does not hold. A part
 * that did not come to its end is a failure of its own.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { results } from "./part.mjs";

const TIMED_OUT = [124, 137];
const LOG_LINES = 15;

/** @param {string} name */
const read = (name) => {
  const file = join(results, name);
  return existsSync(file) ? readFileSync(file, "utf8") : "";
};

/** @param {string} part */
function gather(part) {
  const [code = 1, limit = 0, started = 0, ended = 0] = read(`${part}.exit`).split(" ").map(Number);
  /** @type {import("./part.mjs").Findings} */
  const { claims, tables } = JSON.parse(read(`${part}.json`) || '{ "claims": [], "tables": {} }');
  const held = claims.every(({ state }) => state !== "FAILED");
  if (TIMED_OUT.includes(code)) {
    claims.push({ state: "FAILED", what: "comes to its end", detail: `over its ${limit} s` });
  } else if (code !== 0 && held) {
    claims.push({ state: "FAILED", what: "comes to its end", detail: `exit code ${code}` });
  }
  const seconds = Math.round((ended - started) * 10) / 10;
  return { part, started, ended, seconds, claims, tables };
}

/** @param {Array<Record<string, string | number>>} rows */
function table(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const line = (/** @type {Array<string | number>} */ cells) => `| ${cells.join(" | ")} |`;
  return [
    line(names),
    line(names.map(() => "---")),
    ...rows.map((row) => line(names.map((name) => row[name] ?? ""))),
  ];
}

/** @param {ReturnType<typeof gather>} found */
function section({ part, seconds, claims, tables }) {
  const lines = [`## ${part} (${seconds} s)`, ""];
  for (const { state, what, detail } of claims) {
    lines.push(`* ${state}: ${what}${detail ? ` (${detail})` : ""}`);
  }
  for (const [name, rows] of Object.entries(tables)) lines.push("", `${name}:`, "", ...table(rows));
  if (claims.at(-1)?.what === "comes to its end") {
    lines.push("", "```", ...read(`${part}.log`).trimEnd().split("\n").slice(-LOG_LINES), "```");
  }
  return [...lines, ""];
}

const parts = process.argv.slice(2).map(gather);
const all = parts.flatMap(({ claims }) => claims);
const passed = all.filter(({ state }) => state === "ok").length;
const failed = all.filter(({ state }) => state === "FAILED").length;
const verdict = `${passed} passed, ${failed} failed`;
const first = Math.min(...parts.map(({ started }) => started));
const seconds = Math.round(Math.max(...parts.map(({ ended }) => ended)) - first);
const when = `${new Date().toISOString()}, ${parts.length} parts in ${seconds} s: ${verdict}`;
const head = ["# GPU check", "", when, ""];
writeFileSync(
  join(results, "report.md"),
  [...head, ...parts.flatMap(section), verdict, ""].join("\n"),
);
writeFileSync(
  join(results, "report.json"),
  `${JSON.stringify({ passed, failed, parts }, null, 1)}\n`,
);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
