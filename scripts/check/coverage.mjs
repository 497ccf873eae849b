/**
 * The coverage gate: the lines of lib/ as a whole. The files that are not covered whole are told, so that they can be.
 *
 * Invariant: a file that no test loads counts as a file without a covered line; a report without files fails.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Counted for a file that no test loads. */
const LINES_OF_UNLOADED = 100;

const measures = /** @type {const} */ (["lines", "functions"]);

/** Files of lib/ that become code; files of types alone do not. @param {string} root */
function codeFiles(root) {
  const compiled = join(root, "build", "js", "lib");
  return readdirSync(compiled, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.m?js$/.test(name))
    .filter((name) => {
      const text = readFileSync(join(compiled, name), "utf8");
      return !/^(\/\*[\s\S]*?\*\/\s*)?export \{\};\s*(\/\/#.*)?\s*$/.test(text);
    })
    .map((name) => name.replace(/(?<!m)js$/, "ts"));
}

/** Least share of lib/'s lines, in percent. */
const LEAST_LINES = 93;

/** The source that an entry of the report means: compiled files are named where a source map was not read. */
function sourceName(/** @type {string} */ root, /** @type {string} */ path) {
  const name = relative(root, path);
  const compiled = /^build[/]js[/]lib[/](.*?)(?<!m)js$/.exec(name);
  return compiled ? `${compiled[1]}ts` : relative("lib", name.replace(/^build[/]js[/]/, ""));
}

/**
 * @param {string} root
 * @param {string} summary coverage-summary.json as istanbul writes it
 * @returns {{ problems: string[], notes: string[] }} what fails the gate, and what is told only
 */
export function checkCoverage(root, summary) {
  if (!existsSync(summary)) return { problems: ["no coverage was recorded"], notes: [] };
  /** @type {Record<string, Record<string, { total: number, covered: number, pct: number }>>} */
  const report = JSON.parse(readFileSync(summary, "utf8"));
  /** @type {Map<string, (typeof report)[string]>} */
  const found = new Map();
  for (const [path, entry] of Object.entries(report)) {
    const name = sourceName(root, path);
    if ((found.get(name)?.lines?.pct ?? -1) <= (entry.lines?.pct ?? 0)) found.set(name, entry);
  }
  const notes = [];
  const lines = { total: 0, covered: 0 };
  for (const name of codeFiles(root)) {
    const entry = found.get(name);
    lines.total += entry?.lines?.total ?? LINES_OF_UNLOADED;
    lines.covered += entry?.lines?.covered ?? 0;
    const low = measures.filter((measure) => (entry?.[measure]?.pct ?? 0) < 100);
    const shares = low.map((measure) => `${measure} ${entry?.[measure]?.pct ?? 0} %`);
    if (low.length > 0) notes.push(`lib/${name}: ${shares.join(", ")}`);
  }
  const share = (100 * lines.covered) / Math.max(1, lines.total);
  const verdict = `${share.toFixed(1)} % of the lines of lib/ are covered`;
  if (share >= LEAST_LINES) return { problems: [], notes: [...notes, verdict] };
  return { problems: [`${verdict}, at least ${LEAST_LINES} % is asked for`], notes };
}
