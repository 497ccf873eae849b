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
  for (const [, name = "", contender = "", reason = ""] of section.matchAll(
    /^- ([^,\n]+), (.+?): (.*)$/gm,
  )) {
    if (reason.startsWith("not measured:")) found.leftOut.add(name);
    else found.refused.push({ case: name, contender, reason });
  }
  return found;
}
