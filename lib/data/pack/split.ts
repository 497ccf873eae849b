/**
 * Which cases are put aside for validation.
 *
 * Invariant: a case is on one side with all its records, and stays on the side where an earlier run put it.
 */
import type { ResolvedPack } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { withoutEnding } from "./find.js";
import { hashName } from "./sources.js";

export type Side = "train" | "validation" | "test";

const sides: Record<string, Side> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
};

/** A split column's value; throws E_CONFIG for one that names no side. */
export function sideOf(value: string, column: string): Side {
  const side = sides[value.trim().toLowerCase()];
  if (side) return side;
  const problem = `expected train, validation or test in the column ${column}, received ${value || "nothing"}`;
  throw new MedcossError("E_CONFIG", { field: "splitColumn", problem });
}

/** What ends the names of images beside labels. */
export const IMAGE_SUFFIX = /_(image|img)$/i;

/** The case of a file: its path from the root, without ending and `_image`. */
export function caseOf(relative: string, pattern: RegExp | undefined): string {
  const found = pattern?.exec(relative);
  return found?.[1] ?? found?.[0] ?? withoutEnding(relative).replace(IMAGE_SUFFIX, "");
}

export interface CaseInfo {
  records: number;
  /** Side in the store from an earlier run. */
  before?: Side;
  /** Side that a table gives. */
  named?: Side;
}

/** Why `chooseValidation` puts none of so many cases aside where no table names them. */
export function whyNoneAside(cases: number, options: ResolvedPack["validation"]): string {
  const { share, minimumCases, keepRecords } = options;
  if (cases < minimumCases) return `from ${minimumCases} on`;
  if (Math.round(share * cases) === 0) return `the share is ${share}`;
  return `training keeps at least ${keepRecords} records`;
}

/**
 * The cases put aside: those that were, those a table names, and without a table as many more as the share allows, in
 * the order of their digests.
 */
export function chooseValidation(
  cases: ReadonlyMap<string, CaseInfo>,
  options: ResolvedPack["validation"],
  fromTable: boolean,
): Set<string> {
  const chosen = new Set<string>();
  let training = 0;
  for (const [name, { records, before, named }] of cases) {
    if ((before ?? named) === "validation") chosen.add(name);
    else training += records;
  }
  if (fromTable || cases.size < options.minimumCases) return chosen;
  const wanted = Math.round(options.share * cases.size);
  const open = [...cases].filter(([name, { before }]) => !before && !chosen.has(name));
  const ordered = open.map(([name, info]) => ({ name, order: hashName(name), ...info }));
  ordered.sort((a, b) => (a.order < b.order ? -1 : 1));
  for (const { name, records } of ordered) {
    if (chosen.size >= wanted) break;
    if (training - records < options.keepRecords) continue;
    chosen.add(name);
    training -= records;
  }
  return chosen;
}
