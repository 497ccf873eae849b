/**
 * The benchmark command: `npm run bench -- [case ...] [options]`.
 *
 * Invariant: golden values are checked before anything is timed, and contenders alternate within one run.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MedcossError } from "../lib/errors.js";
import { buildInfo } from "../lib/trainer.js";
import { distillMethod, distillVariants } from "./cases/distill.js";
import { featuresMethod, featuresVariants } from "./cases/features.js";
import { type Kind, kinds } from "./cases/inputs.js";
import { kmeansMethod, kmeansVariants } from "./cases/kmeans.js";
import { loaderMethod, loaderVariants } from "./cases/loader.js";
import { packMethod, packVariants } from "./cases/pack.js";
import { replayMethod, replayVariants } from "./cases/replay.js";
import { type Precision, precisions, type StepOptions, stepVariants } from "./cases/step.js";
import { requireGolden } from "./harness/correctness.js";
import { hardware, hardwareSlug } from "./harness/hardware.js";
import { measure, type Plan, type Row, type Variant } from "./harness/measure.js";
import { markdown, table } from "./harness/report.js";

const HELP = `npm run bench -- [case ...] [options]

Cases: step, kmeans, distill, replay, features, loader, pack (default: all)

  --device cpu         where the steps run
  --batch N            samples of a step (default 16)
  --threads N          threads of every contender (default: all cores)
  --preset NAME        corrected (default) or published
  --kind NAME          image2d, volume3d or text; may be repeated (default: all)
  --precision NAME     fp32 or bf16; may be repeated (default: both)
  --golden DIR         golden values for the check before timing
  --json FILE          also write the rows as JSON
  --quick              one warm-up, two rounds, no report file; kmeans with fewer samples
  --help               this text
`;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** Where the user called npm, which relative paths refer to. */
const callerPath = (path: string) => resolve(process.env.INIT_CWD ?? ".", path);

interface Case {
  variants(options: StepOptions, quick: boolean): Variant[] | Promise<Variant[]>;
  /** Lines for the report. */
  method(options: StepOptions): string[];
}

const cases: Record<string, Case> = {
  step: { variants: stepVariants, method: methodOf },
  kmeans: {
    variants: ({ threads }, quick) => kmeansVariants(threads, quick),
    method: () => kmeansMethod,
  },
  distill: {
    variants: (options) => distillVariants(options, options.kinds),
    method: () => distillMethod,
  },
  replay: { variants: replayVariants, method: () => replayMethod },
  features: { variants: featuresVariants, method: () => featuresMethod },
  loader: {
    variants: ({ threads }, quick) => loaderVariants(threads, quick),
    method: () => loaderMethod,
  },
  pack: {
    variants: ({ threads }, quick) => packVariants(threads, quick),
    method: () => packMethod,
  },
};

const fullPlan: Plan = { warmups: 2, rounds: 7, slowSeconds: 90 };
const quickPlan: Plan = { warmups: 1, rounds: 2, slowSeconds: 30, quick: true };

class UsageError extends Error {}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(value)) return value as T;
  throw new UsageError(`--${option} must be one of ${allowed.join(", ")}, not ${value}`);
}

function count(option: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new UsageError(`--${option} must be a positive whole number, not ${value}`);
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const many = { type: "string", multiple: true } as const;
  const flag = { type: "boolean" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...{ device: text, batch: text, threads: text, preset: text, golden: text, json: text },
      ...{ kind: many, precision: many, quick: flag, help: flag },
    },
  });
  const names = positionals.map((name) => oneOf("case", name, Object.keys(cases)));
  return { values, names: names.length > 0 ? names : Object.keys(cases) };
}

function stepOptions(values: ReturnType<typeof parse>["values"]): StepOptions {
  const chosen = {
    batch: count("batch", values.batch ?? "16"),
    device: values.device ?? "cpu",
    preset: oneOf("preset", values.preset ?? "corrected", ["corrected", "published"]),
    kinds: (values.kind ?? [...kinds]).map((kind) => oneOf<Kind>("kind", kind, kinds)),
    precisions: (values.precision ?? [...precisions]).map((precision) =>
      oneOf<Precision>("precision", precision, precisions),
    ),
  };
  // Last, because it loads the addon.
  const threads = values.threads ? count("threads", values.threads) : buildInfo().threads;
  return { ...chosen, threads };
}

async function measureAll(variants: readonly Variant[], plan: Plan): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [i, variant] of variants.entries()) {
    process.stderr.write(`${variant.case} (${i + 1} of ${variants.length})\n`);
    const found = await measure(variant, plan);
    rows.push(...found);
    process.stdout.write(`${table(found)}\n\n`);
  }
  return rows;
}

function methodOf(options: StepOptions): string[] {
  return [
    `Base model, ${options.preset} preset, batch ${options.batch}, full step with AdamW; equal weights and inputs`,
    "Text: 40 to 112 real tokens of 112, evenly spread, every seventh to be predicted",
    "Before timing each pair also agrees on loss and gradient norm in the case's own precision",
    "TFLOP/s: operations of the plain computation (every token, every prediction) over seconds",
  ];
}

async function main(): Promise<void> {
  const { values, names } = parse(process.argv.slice(2));
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const options = stepOptions(values);
  const plan = values.quick ? quickPlan : fullPlan;
  const golden = values.golden ? callerPath(values.golden) : here("../test/fixtures/golden");
  process.stderr.write("Checking golden values of every contender\n");
  const verified = await requireGolden(golden, options.device);
  const all: Row[] = [];
  for (const name of names) {
    const chosen = cases[name] as Case;
    const variants = await chosen.variants(options, values.quick === true);
    const rows = await measureAll(variants, plan);
    all.push(...rows);
    if (values.json) writeFileSync(callerPath(values.json), `${JSON.stringify(all, null, 2)}\n`);
    if (!values.quick) writeReport(name, plan, [...chosen.method(options), ...verified], rows);
  }
}

function writeReport(
  theme: string,
  plan: Plan,
  method: readonly string[],
  rows: readonly Row[],
): void {
  const machine = hardware();
  const date = new Date().toISOString().slice(0, 10);
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim();
  const text = markdown({ theme, date, hardware: machine, command, plan, method }, rows);
  mkdirSync(here("reports"), { recursive: true });
  const path = here(`reports/${theme}_${hardwareSlug(machine)}_${date}.md`);
  writeFileSync(path, text);
  process.stderr.write(`Report: ${path}\n`);
}

try {
  await main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const wrongUse = error instanceof UsageError || code?.startsWith("ERR_PARSE_ARGS");
  process.stderr.write(`${error instanceof MedcossError ? error.toLine() : message}\n`);
  process.exitCode = wrongUse ? 2 : 1;
}
