/**
 * The benchmark command: `npm run bench -- [case ...] [options]`.
 *
 * Invariant: what will be done is told before it starts, golden values are checked before anything is timed, and
 * contenders alternate within one run. A contender that is refused does not stop the others, but the run fails; what a
 * given time leaves out is told and no failure.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MedcossError } from "../lib/errors.js";
import { cases } from "./cases/index.js";
import { requireGolden } from "./harness/correctness.js";
import { hardware, hardwareSlug } from "./harness/hardware.js";
import { measure } from "./harness/measure.js";
import { PeakMeter } from "./harness/peak.js";
import { chart } from "./harness/plot.js";
import { peerPython } from "./harness/python.js";
import { conditions, markdown, table } from "./harness/report.js";
import type { Measured, Row, Variant } from "./harness/variant.js";
import { HELP, parse, type Run, UsageError } from "./options.js";
import { describe, needsPython, select, timesPeak } from "./selection.js";

const progress = (text: string) => void process.stderr.write(text);

class Suite {
  readonly #run: Run;
  readonly #meter: PeakMeter | undefined;
  readonly #end: number;
  readonly all: Measured = { rows: [], refused: [] };

  constructor(run: Run, meter: PeakMeter | undefined) {
    this.#run = run;
    this.#meter = meter;
    this.#end = performance.now() + run.minutes * 60_000;
  }

  /** On disk after each variant, so that a run that is ended keeps what it has. */
  #keep(rows: readonly Row[]): void {
    this.all.rows.push(...rows);
    const { json } = this.#run;
    if (json) writeFileSync(json, `${JSON.stringify(this.all.rows, null, 2)}\n`);
  }

  async measure(variants: readonly Variant[]): Promise<Measured> {
    const found: Measured = { rows: [], refused: [] };
    for (const [i, variant] of variants.entries()) {
      if (performance.now() > this.#end) {
        const reason = `not measured: the run's ${this.#run.minutes} minutes were over`;
        found.refused.push({ case: variant.case, contender: "all", reason, forLackOfTime: true });
        progress(`${variant.case}: ${reason}\n`);
        continue;
      }
      progress(`${variant.case} (${i + 1} of ${variants.length})\n`);
      const around = { write: progress, ...(this.#meter && { meter: this.#meter }) };
      const { rows, refused } = await measure(variant, this.#run.plan, around);
      found.rows.push(...rows);
      this.#keep(rows);
      found.refused.push(...refused);
      if (rows.length > 0) process.stdout.write(`${table(rows)}\n\n`);
      for (const { contender, reason } of refused) progress(`refused: ${contender}: ${reason}\n`);
    }
    this.all.refused.push(...found.refused);
    return found;
  }
}

function writeReport(theme: string, run: Run, method: readonly string[], found: Measured): void {
  const machine = hardware(run.options.device);
  const date = new Date().toISOString().slice(0, 10);
  const folder = run.reports as string;
  const stem = `${theme}_${hardwareSlug(machine)}_${date}`;
  const { command, plan, options } = run;
  mkdirSync(folder, { recursive: true });
  const picture = found.rows.length > 0 ? `${stem}.svg` : undefined;
  if (picture) writeFileSync(join(folder, picture), chart(found.rows));
  const { threads } = options;
  const facts = { theme, date, hardware: machine, threads, command, plan, method, picture };
  writeFileSync(join(folder, `${stem}.md`), markdown(facts, found));
  progress(`Report: ${join(folder, `${stem}.md`)}\n`);
}

/** Lines for the report about golden values. */
async function verify({ golden, options }: Run, peers: boolean): Promise<string[]> {
  if (golden === undefined) {
    progress("Golden values are not checked\n");
    return ["Golden values were not checked in this run"];
  }
  progress("Golden values, before anything is timed:\n");
  const say = (line: string) => progress(`${line}\n`);
  return requireGolden({ directory: golden, device: options.device, peers, say });
}

async function main(): Promise<void> {
  const run = parse(process.argv.slice(2), Object.keys(cases));
  if (run === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const { options, plan } = run;
  const selected = select(run, cases);
  const about = conditions({ hardware: hardware(options.device), threads: options.threads, plan });
  process.stdout.write(`${[...about, ...describe(selected, run), "", ""].join("\n")}`);
  const python = needsPython(selected);
  if (python) peerPython();
  const verified = await verify(run, python);
  const meter = timesPeak(selected)
    ? await PeakMeter.start(options.device, options.threads)
    : undefined;
  const suite = new Suite(run, meter);
  for (const { name, of, variants } of selected) {
    const found = await suite.measure(variants);
    if (run.reports) writeReport(name, run, [...of.method(options), ...verified], found);
  }
  await meter?.stop();
  if (suite.all.refused.some(({ forLackOfTime }) => !forLackOfTime)) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const wrongUse = error instanceof UsageError || code?.startsWith("ERR_PARSE_ARGS");
  process.stderr.write(`${error instanceof MedcossError ? error.toLine() : message}\n`);
  process.exit(wrongUse ? 2 : 1);
}
