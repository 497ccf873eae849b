/**
 * The coverage gate: every file of lib/ has been loaded by a test, and is covered whole.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

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

/**
 * @param {string} root
 * @param {string} summary coverage-summary.json as istanbul writes it
 * @returns {string[]}
 */
export function coverageProblems(root, summary) {
  if (!existsSync(summary)) return ["no coverage was recorded"];
  /** @type {Record<string, Record<string, { pct: number }>>} */
  const report = JSON.parse(readFileSync(summary, "utf8"));
  const found = new Map(
    Object.entries(report).map(([path, entry]) => [relative(join(root, "lib"), path), entry]),
  );
  return codeFiles(root).flatMap((name) => {
    const entry = found.get(name);
    if (entry === undefined) return [`lib/${name} was loaded by no test`];
    const low = measures.filter((measure) => (entry[measure]?.pct ?? 100) < 100);
    const shares = low.map((measure) => `${measure} ${entry[measure]?.pct} %`);
    return low.length > 0 ? [`lib/${name}: ${shares.join(", ")}`] : [];
  });
}
