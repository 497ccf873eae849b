/**
 * What the doctor reports.
 */

/** `problem`: medcoss will not work as it is; `note`: worth knowing, nothing to repair. */
export type CheckState = "ok" | "note" | "problem";

export interface Check {
  name: string;
  state: CheckState;
  /** What was found, one line. */
  found: string;
  /** What to do about a problem. */
  remedy?: string;
}

export interface Diagnosis {
  /** Whether no check found a problem. */
  healthy: boolean;
  checks: Check[];
}
