/**
 * The recipes by name: which records they make, and the parameters that decide their values.
 */
import { createHash } from "node:crypto";
import type { Preprocessing, Recipe } from "../../config/pack.js";
import type { RecordFormat } from "../dataset.js";

/** Raised when a recipe makes other values from the same parameters. */
const revisions: Record<Recipe, number> = { report: 1, xray: 2, pathology: 2, ct: 2, mri: 1 };

/**
 * Options that a recipe got later, with the values that stand for what it did before. They are left out, so that what was
 * packed then can still be added to.
 */
const later: { [Name in Recipe]?: Partial<Preprocessing[Name]> } = {
  xray: { shrinkOnLoad: false },
  pathology: { shrinkOnLoad: false },
  mri: { interpolation: "linear", antialias: false, spacingMm: undefined },
};

/** Layout of the records that a recipe makes. */
export function recordFormat(recipe: Recipe, options: Preprocessing): RecordFormat {
  switch (recipe) {
    case "report":
      return { dtype: "i32", shape: [options.report.length] };
    case "xray":
    case "pathology": {
      const { size, channels } = options[recipe];
      return { dtype: "u8", shape: [size, size, channels] };
    }
    case "ct":
      return { dtype: "i16", shape: options.ct.size, scale: options.ct.scale, offset: 0 };
    case "mri":
      return { dtype: "f32", shape: options.mri.size, scale: 1, offset: 0 };
  }
}

/** Everything that decides a record's values, for the index. */
export function parameters(
  recipe: Recipe,
  options: Preprocessing,
  tokenizerDigest?: string,
): Record<string, unknown> {
  const before: Record<string, unknown> = later[recipe] ?? {};
  const own = Object.entries(options[recipe]).filter(
    ([key, value]) => !(key in before && before[key] === value),
  );
  const tokenizer = recipe === "report" ? { tokenizer: tokenizerDigest } : {};
  return { recipe, revision: revisions[recipe], ...Object.fromEntries(own), ...tokenizer };
}

/** SHA-256 of parameters, in hexadecimal. */
export function parametersDigest(values: Record<string, unknown>): string {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex");
}
