/**
 * What one part of the GPU check finds: claims that hold or not, and tables of numbers.
 *
 * Invariant: what was found is on disk after each claim, so a part that is ended by its time limit keeps what it has.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Claim
 * @property {"ok" | "FAILED" | "skipped"} state
 * @property {string} what
 * @property {string} [detail]
 * @typedef {{ claims: Claim[], tables: Record<string, Array<Record<string, string | number>>> }} Findings
 */

/** The device under test: `cuda`, or `cpu` where the check itself is tried. */
export const device = process.env.MEDCOSS_GPU_DEVICE ?? "cuda";

/** Samples of the steps that are measured, in the order in which they are. */
export const batches = (process.env.MEDCOSS_GPU_BATCHES ?? (device === "cpu" ? "2" : "128 512"))
  .split(" ")
  .map(Number);

/** Where parts leave what they find. */
export const results = process.env.MEDCOSS_GPU_RESULTS ?? "gpu-check-results";

/** Seconds that a part has, from its start; with fewer than `LEAST` nothing is tried. */
const seconds = Number(process.env.MEDCOSS_GPU_LIMIT ?? 600);
const LEAST = 10;
export const NO_TIME = "no time is left";

/** Seconds that the part still has. */
export const timeLeft = () => seconds - performance.now() / 1e3;

export class Part {
  #file;
  /** @type {Findings} */
  #findings = { claims: [], tables: {} };

  /** Where the part has no time, it says so and the process ends. @param {string} name */
  constructor(name) {
    mkdirSync(results, { recursive: true });
    this.#file = join(results, `${name}.json`);
    this.#save();
    if (seconds >= LEAST) return;
    this.skip(name, NO_TIME);
    process.exit();
  }

  #save() {
    writeFileSync(this.#file, `${JSON.stringify(this.#findings, null, 1)}\n`);
  }

  /** @param {Claim["state"]} state @param {string} what @param {string} [detail] */
  #add(state, what, detail) {
    this.#findings.claims.push({ state, what, ...(detail && { detail }) });
    this.#save();
    console.log(`${state.padEnd(7)} ${what}${detail ? `: ${detail}` : ""}`);
  }

  /** @param {boolean} holds @param {string} what @param {string} [detail] numbers behind it */
  claim(holds, what, detail) {
    this.#add(holds ? "ok" : "FAILED", what, detail);
    if (!holds) process.exitCode = 1;
  }

  /** Neither passed nor failed. @param {string} what @param {string} reason */
  skip(what, reason) {
    this.#add("skipped", what, reason);
  }

  /** A row of a table of the report. @param {string} table @param {Record<string, string | number>} cells */
  row(table, cells) {
    const { tables } = this.#findings;
    tables[table] = [...(tables[table] ?? []), cells];
    this.#save();
  }

  /**
   * Runs one claim's work; what it throws is a claim that does not hold, and the part goes on.
   * @param {string} what @param {() => Promise<void>} work
   */
  async attempt(what, work) {
    try {
      await work();
    } catch (error) {
      const { code, message, stack = "" } = /** @type {Error & { code?: string }} */ (error);
      this.claim(false, what, code ? `${code}: ${message}` : message);
      console.log(stack.split("\n").slice(1, 6).join("\n"));
    }
  }
}

/** @param {number} a @param {number} b */
export const relative = (a, b) =>
  a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));

/** Root of the sum of squared differences over that of `b`. @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function distance(a, b) {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += ((a[i] ?? Number.NaN) - /** @type {number} */ (b[i])) ** 2;
    size += /** @type {number} */ (b[i]) ** 2;
  }
  return Math.sqrt(difference / (size || 1));
}
