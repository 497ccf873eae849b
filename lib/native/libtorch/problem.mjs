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
