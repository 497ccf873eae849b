/** What compute-sanitizer prints, run with `--print-limit 0`. */

/** @typedef {{ kernel: string, places: number }} Races places in a kernel's code that begin a report of a race */

const OURS = "medcoss::";
const RACE = /Race reported between \w+ access at (.*?)(?:\+0x[0-9a-f]+.*)?$/;

/**
 * @param {string} text
 * @returns {{ summary: string, told: number, ours: Races[], theirs: Races[] }} the tool's verdict, the number of findings
 * in it (NaN without one), and races by kernel in the order in which they appear
 */
export function sanitizerFindings(text) {
  const lines = text.split("\n").filter((line) => line.startsWith("====="));
  const last = lines.findLast((line) => line.includes("SUMMARY")) ?? lines.at(-1) ?? "";
  const summary = last.replace(/^=+ /, "");
  const told = Number(/SUMMARY: (\d+)/.exec(summary)?.[1] ?? Number.NaN);
  /** @type {Map<string, number>} */
  const places = new Map();
  for (const line of lines) {
    const kernel = RACE.exec(line.trimEnd())?.[1];
    if (kernel !== undefined) places.set(kernel, (places.get(kernel) ?? 0) + 1);
  }
  const all = [...places].map(([kernel, count]) => ({ kernel, places: count }));
  const isOurs = (/** @type {Races} */ { kernel }) => kernel.includes(OURS);
  return { summary, told, ours: all.filter(isOurs), theirs: all.filter((one) => !isOurs(one)) };
}
