/**
 * The benchmark command: `npm run bench -- [case ...] [options]`.
 *
 * Invariant: golden values are checked before anything is timed, and contenders alternate within one run. A contender
 * that is refused does not stop the others, but the run fails.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MedcossError } from "../lib/errors.js";
import { type Case, cases } from "./cases/index.js";
import { onGpu } from "./cases/options.js";
import { requireGolden } from "./harness/correctness.js";
import { hardware, hardwareSlug } from "./harness/hardware.js";
import { type Measured, measure, type Row, type Variant } from "./harness/measure.js";
import { PeakMeter } from "./harness/peak.js";
import { chart } from "./harness/plot.js";
import { markdown, table } from "./harness/report.js";
import { HELP, parse, type Run, UsageError } from "./options.js";

/** The variants and contenders that the command line leaves. */
function chosen(variants: readonly Variant[], { contenders, only }: Run): Variant[] {
  const wanted = variants.filter(({ case: name }) => only === undefined || name.includes(only));
  if (contenders.length === 0) return wanted;
  return wanted
    .map((variant) => ({
      ...variant,
      contenders: variant.contenders.filter(({ name }) => contenders.includes(name)),
    }))
    .filter((variant) => variant.contenders.length > 0);
}

class Suite {
  readonly #run: Run;
  readonly #meter: PeakMeter;
  readonly #end: number;
  readonly all: Measured = { rows: [], refused: [] };

  constructor(run: Run, meter: PeakMeter) {
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
        found.refused.push({ case: variant.case, contender: "all", reason });
        continue;
      }
      process.stderr.write(`${variant.case} (${i + 1} of ${variants.length})\n`);
      const { rows, refused } = await measure(variant, this.#run.plan, this.#meter);
      found.rows.push(...rows);
      this.#keep(rows);
      found.refused.push(...refused);
      process.stdout.write(`${table(rows)}\n\n`);
      for (const { contender, reason } of refused) {
        process.stderr.write(`refused: ${contender}: ${reason}\n`);
      }
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
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim();
  mkdirSync(folder, { recursive: true });
  const picture = found.rows.length > 0 ? `${stem}.svg` : undefined;
  if (picture) writeFileSync(join(folder, picture), chart(found.rows));
  const facts = { theme, date, hardware: machine, command, plan: run.plan, method, picture };
  writeFileSync(join(folder, `${stem}.md`), markdown(facts, found));
  process.stderr.write(`Report: ${join(folder, `${stem}.md`)}\n`);
}

/** Lines for the report about golden values. */
async function verify({ golden, options }: Run): Promise<string[]> {
  if (golden === undefined) return ["Golden values were not checked in this run"];
  process.stderr.write("Checking golden values of every contender\n");
  return requireGolden(golden, options.device);
}

async function main(): Promise<void> {
  const run = parse(process.argv.slice(2), Object.keys(cases));
  if (run === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const { options } = run;
  const verified = await verify(run);
  const meter = await PeakMeter.start(options.device, options.threads);
  const suite = new Suite(run, meter);
  for (const name of run.names) {
    const { devices, variants, method } = cases[name] as Case;
    if (onGpu(options) && !devices.includes("cuda")) continue;
    const wanted = chosen(await variants(options), run);
    if (wanted.length === 0) continue;
    const found = await suite.measure(wanted);
    if (run.reports) writeReport(name, run, [...method(options), ...verified], found);
  }
  await meter.stop();
  if (suite.all.refused.length > 0) process.exitCode = 1;
  if (suite.all.rows.length === 0) throw new UsageError("no variant has these words or contenders");
}

try {
  await main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const wrongUse = error instanceof UsageError || code?.startsWith("ERR_PARSE_ARGS");
  process.stderr.write(`${error instanceof MedcossError ? error.toLine() : message}\n`);
  process.exit(wrongUse ? 2 : 1);
}
