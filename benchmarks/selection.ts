/**
 * What a command line leaves of the cases, and how that is told before anything starts.
 *
 * Invariant: nothing is made, started or installed here.
 */
import type { Case } from "./cases/index.js";
import { onGpu } from "./cases/options.js";
import { describePython, hasPython } from "./harness/python.js";
import type { Variant } from "./harness/variant.js";
import { type Run, UsageError } from "./options.js";

export interface Selected {
  name: string;
  of: Case;
  variants: readonly Variant[];
}

const contendersOf = (variants: readonly Variant[]) => [
  ...new Set(variants.flatMap(({ contenders }) => contenders.map(({ name }) => name))),
];

function left(variants: readonly Variant[], { contenders: names, only }: Run): Variant[] {
  const wanted = variants.filter(({ case: name }) => only === undefined || name.includes(only));
  if (names.length === 0) return wanted;
  return wanted
    .map((variant) => ({
      ...variant,
      contenders: variant.contenders.filter(({ name }) => names.includes(name)),
    }))
    .filter((variant) => variant.contenders.length > 0);
}

/**
 * The variants and contenders to be measured.
 *
 * @throws UsageError where none is left
 */
export function select(run: Run, cases: Record<string, Case>): Selected[] {
  const known = run.names
    .map((name) => ({ name, of: cases[name] as Case }))
    .filter(({ of }) => !onGpu(run.options) || of.devices.includes("cuda"))
    .map((one) => ({ ...one, all: one.of.variants(run.options) }));
  const found = known
    .map(({ name, of, all }) => ({ name, of, variants: left(all, run) }))
    .filter(({ variants }) => variants.length > 0);
  if (found.length > 0) return found;
  if (known.length === 0)
    throw new UsageError(`--device ${run.options.device} has none of these cases`);
  const names = contendersOf(known.flatMap(({ all }) => all));
  throw new UsageError(
    `no variant has these words or contenders; contenders are ${names.join("; ") || "none here"}`,
  );
}

const variantsOf = (selected: readonly Selected[]) => selected.flatMap(({ variants }) => variants);

/** Whether a contender runs in Python. */
export const needsPython = (selected: readonly Selected[]) =>
  variantsOf(selected).some(({ contenders }) => contenders.some(({ command }) => command.python));

/** Whether the machine's peak is timed, which Python does: where it is there or needed anyhow. */
export const timesPeak = (selected: readonly Selected[]) =>
  variantsOf(selected).some(({ precision }) => precision !== undefined) &&
  (needsPython(selected) || hasPython());

function caseLine({ name, of, variants }: Selected, { options }: Run): string {
  const count = `${variants.length} variant${variants.length === 1 ? "" : "s"}`;
  const model = of.model ? ` of the ${of.model(options)}` : "";
  return `- ${name}: ${count}${model}; contenders: ${contendersOf(variants).join("; ")}`;
}

function pythonLine(selected: readonly Selected[]): string {
  if (needsPython(selected)) return `- Python of the other contenders: ${describePython()}`;
  if (timesPeak(selected))
    return "- No Python is needed; the one that is there times the machine's peak";
  return "- No Python is needed, and without it no share of the machine's peak is told";
}

/** Lines that say what is going to happen. */
export function describe(selected: readonly Selected[], run: Run): string[] {
  return [
    ...selected.map((one) => caseLine(one, run)),
    pythonLine(selected),
    ...(run.options.quick
      ? [
          "- Quick: small inputs and few rounds give a first number only; leave --quick out to measure",
        ]
      : []),
  ];
}
