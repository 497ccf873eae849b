/**
 * What went wrong, by a code of lib/errors.ts, for code that runs before TypeScript is compiled.
 */

export class Problem extends Error {
  /**
   * @param {"E_TOOL_MISSING" | "E_LIBTORCH_INSTALL" | "E_SETUP"} code
   * @param {Record<string, string>} values
   */
  constructor(code, values) {
    super(`${code}: ${Object.values(values).join("; ")}`);
    this.code = code;
    this.values = values;
  }
}

/** @param {string} problem one line */
export const installFailure = (problem) => new Problem("E_LIBTORCH_INSTALL", { problem });
