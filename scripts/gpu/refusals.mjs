/** Contenders that a benchmark's report names as not timed, apart from steps that its time had no room for. */

/**
 * @typedef {object} Refusals
 * @property {Set<string>} leftOut cases that the time had no room for
 * @property {Array<{ case: string, contender: string, reason: string }>} refused
 */

/** @param {string} report markdown of benchmarks/run.ts @returns {Refusals} */
export function refusalsIn(report) {
  /** @type {Refusals} */
  const found = { leftOut: new Set(), refused: [] };
  const section = report.split("\nNot timed, or not to the end:\n")[1] ?? "";
  for (const item of section.split(/^- /m).slice(1)) {
    const [, name = "", contender = "", text = ""] = /^([^,]+), (.+?): (.*)$/s.exec(item) ?? [];
    // Of what a process printed when it broke, the end says why.
    const lines = text.trim().split("\n");
    const reason = lines.length > 1 ? `${lines[0]} ... ${lines.at(-1)}` : text.trim();
    if (reason.startsWith("not measured:")) found.leftOut.add(name);
    else found.refused.push({ case: name, contender, reason });
  }
  return found;
}
