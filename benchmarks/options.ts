/**
 * The benchmark's command line.
 *
 * Invariant: a wrong name, number or option ends the run before anything starts.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildInfo } from "../lib/trainer.js";
import { kinds } from "./cases/inputs.js";
import { type Options, objectives, precisions } from "./cases/options.js";
import { inPackage } from "./harness/place.js";
import type { Plan } from "./harness/variant.js";

export const HELP = `npm run bench -- [case ...] [options]

Cases: step, replay, kmeans, distill, features, loader, pack, stage, crossing, startup
       (default: all that run on the device)

  --device NAME        cpu (default), cuda or cuda:1
  --batch N            samples of a step; may be repeated (default 16 and 64; 128 and 512 on a GPU)
  --threads N          threads of every contender (default: all cores)
  --preset NAME        corrected (default) or published
  --kind NAME          image2d, volume3d or text; may be repeated (default: all)
  --precision NAME     fp32 or bf16; may be repeated (default: both)
  --objective NAME     plain or replay; may be repeated (default: both)
  --compile MODE       mode of torch.compile; may be repeated; none leaves it out (default: default)
  --reference DIR      a checkout of the published repository, as one more contender of step
  --goals              of step the contenders that the goals compare: the published engine, best practice in bf16
  --contender NAME     measure these only; may be repeated; of medcoss alone no Python is needed
  --only WORDS         variants whose name contains these words only
  --rounds N           timed rounds (default 7)
  --warmups N          steps before them (default 2)
  --minutes N          start no variant later than this (2.5 will do); what was left out is listed, and no failure
  --golden DIR         golden values for the check before timing; none where they were checked before
  --json FILE          also write the rows as JSON
  --reports DIR        where reports go (default: benchmarks/reports)
  --quick              a first number, of step within about two minutes: batch 2, one warm-up, three rounds, no report,
                       and where not named otherwise image2d, fp32, plain steps, nothing compiled
  --help               this text

The other contenders run in a Python environment (PyTorch and others, about 5 GB), which is made in benchmarks/.venv on
first use. MEDCOSS_BENCH_PYTHON=/path/to/python names one of your own. A first number:
npm run bench -- step --quick
`;

export class UsageError extends Error {}

export interface Run {
  names: readonly string[];
  options: Options;
  plan: Plan;
  contenders: readonly string[];
  only?: string;
  minutes: number;
  /** None where they were checked before. */
  golden?: string;
  /** For reports: without the paths of this machine. */
  command: string;
  json?: string;
  /** None where no report is to be written. */
  reports?: string;
}

/** Where the user called npm, which relative paths refer to. */
const callerPath = (path: string) => resolve(process.env.INIT_CWD ?? ".", path);

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(value)) return value as T;
  throw new UsageError(`--${option} must be one of ${allowed.join(", ")}, not ${value}`);
}

function count(option: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new UsageError(`--${option} must be a positive whole number, not ${value}`);
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  throw new UsageError(`--${option} must be a positive number, not ${value}`);
}

const text = { type: "string" } as const;
const many = { type: "string", multiple: true } as const;
const flag = { type: "boolean" } as const;

const options = {
  ...{ device: text, threads: text, preset: text, reference: text, only: text, rounds: text },
  ...{ warmups: text, minutes: text, golden: text, json: text, reports: text },
  ...{ batch: many, kind: many, precision: many, objective: many, compile: many },
  ...{ contender: many, goals: flag, quick: flag, help: flag },
};

const read = (args: string[]) => parseArgs({ args, allowPositionals: true, options, tokens: true });

type Values = ReturnType<typeof read>["values"];
type Token = ReturnType<typeof read>["tokens"][number];

/** What options of paths are written as. */
const places: Record<string, string> = {
  ...{ json: "FILE", reports: "DIR", reference: "DIR", golden: "DIR" },
};

function written(token: Token): string[] {
  if (token.kind === "option-terminator") return ["--"];
  if (token.kind === "option") {
    const { rawName, name, value } = token;
    const shown = value === "none" ? value : (places[name] ?? value);
    return shown === undefined ? [rawName] : [rawName, shown];
  }
  return [token.value];
}

/** The call as reports tell it: whose paths are of no use elsewhere. */
function commandOf(tokens: readonly Token[]): string {
  const words = tokens.flatMap(written).map((word) => (/\s/.test(word) ? `"${word}"` : word));
  return ["npm run bench --", ...words].join(" ");
}

const compileModes = [
  "default",
  "reduce-overhead",
  "max-autotune",
  "max-autotune-no-cudagraphs",
  "none",
] as const;

function planOf(values: Values): Plan {
  const given = {
    ...(values.rounds && { rounds: count("rounds", values.rounds), fixed: true as const }),
    ...(values.warmups && { warmups: count("warmups", values.warmups) }),
  };
  if (values.quick) return { warmups: 1, rounds: 3, slowSeconds: 30, fixed: true, ...given };
  return { warmups: 2, rounds: 7, slowSeconds: 90, ...given };
}

function optionsOf(values: Values): Options {
  const device = values.device ?? "cpu";
  if (!/^(cpu|cuda(:\d+)?)$/.test(device)) {
    throw new UsageError(`--device must be cpu, cuda or cuda:N, not ${device}`);
  }
  const usual = device === "cpu" ? ["16", "64"] : ["128", "512"];
  const batches = values.batch ?? (values.quick ? ["2"] : usual);
  // The first of each is what a quick run takes.
  const named = <T extends string>(option: "kind" | "precision" | "objective", all: readonly T[]) =>
    (values[option] ?? all.slice(0, values.quick ? 1 : all.length)).map((value) =>
      oneOf(option, value, all),
    );
  const usualModes = [values.quick ? "none" : "default"];
  const modes = (values.compile ?? usualModes).map((mode) => oneOf("compile", mode, compileModes));
  return {
    device,
    batches: batches.map((batch) => count("batch", batch)),
    preset: oneOf("preset", values.preset ?? "corrected", ["corrected", "published"]),
    kinds: named("kind", kinds),
    precisions: named("precision", precisions),
    objectives: named("objective", objectives),
    compileModes: modes.filter((mode) => mode !== "none"),
    ...(values.reference && { reference: callerPath(values.reference) }),
    goals: values.goals === true,
    quick: values.quick === true,
    // Last, because it loads the addon.
    threads: values.threads ? count("threads", values.threads) : buildInfo().threads,
  };
}

const goldenOf = (given: string | undefined) =>
  given === undefined ? inPackage("test/fixtures/golden") : callerPath(given);

/**
 * What the arguments ask for; nothing where they ask for help.
 *
 * @throws UsageError, and those of `parseArgs`
 */
export function parse(args: string[], cases: readonly string[]): Run | undefined {
  const { values, positionals, tokens } = read(args);
  if (values.help) return undefined;
  const names = positionals.map((name) => oneOf("case", name, cases));
  const reports = callerPath(values.reports ?? inPackage("benchmarks/reports"));
  return {
    names: names.length > 0 ? names : cases,
    command: commandOf(tokens),
    plan: planOf(values),
    contenders: values.contender ?? [],
    ...(values.only !== undefined && { only: values.only }),
    minutes: values.minutes ? positive("minutes", values.minutes) : Number.POSITIVE_INFINITY,
    ...(values.golden !== "none" && { golden: goldenOf(values.golden) }),
    ...(values.json && { json: callerPath(values.json) }),
    ...((!values.quick || values.reports) && { reports }),
    options: optionsOf(values),
  };
}
