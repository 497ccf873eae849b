/** A run's rows as a table for the terminal and as a markdown report. */
import type { Hardware } from "./hardware.js";
import type { Plan, Row } from "./measure.js";

export interface RunFacts {
  theme: string;
  date: string;
  hardware: Hardware;
  command: string;
  plan: Plan;
  /** Lines that tell what was verified and how the cases are set up. */
  method: readonly string[];
}

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(2);
const columns = [
  "case",
  "contender",
  "samples/s",
  "s per step",
  "IQR",
  "steps",
  "peak GiB",
  "TFLOP/s",
  "ratio",
];

function cells(row: Row): string[] {
  return [
    row.case,
    row.contender,
    row.samplesPerSecond.toPrecision(3),
    row.median.toPrecision(3),
    row.iqr.toPrecision(2),
    String(row.steps),
    gib(row.peakRssBytes),
    row.tflops.toPrecision(3),
    row.ratio.toFixed(2),
  ];
}

/** A markdown table, which is readable on a terminal too. */
export function table(rows: readonly Row[]): string {
  const all = [columns, columns.map(() => "---"), ...rows.map(cells)];
  const widths = columns.map((_, i) => Math.max(...all.map((line) => (line[i] as string).length)));
  const line = (items: readonly string[]) =>
    `| ${items.map((item, i) => item.padEnd(widths[i] as number)).join(" | ")} |`;
  return all.map(line).join("\n");
}

function notes(rows: readonly Row[]): string[] {
  const found = rows.filter((row) => row.note).map((row) => `- ${row.contender}: ${row.note}`);
  return [...new Set(found)];
}

export function markdown(facts: RunFacts, rows: readonly Row[]): string {
  const { hardware, plan } = facts;
  const versions = [
    ...new Set(rows.map((row) => `${row.contender}: ${row.version}, ${row.threads} threads`)),
  ];
  return [
    `# ${facts.theme}, ${hardware.processor}, ${facts.date}`,
    "",
    `- Processor: ${hardware.processor}, ${hardware.cores} cores, ${hardware.features.join(" ") || "no listed features"}`,
    `- Memory: ${gib(hardware.memoryBytes)} GiB; Node ${hardware.node}`,
    ...versions.map((version) => `- ${version}`),
    `- Command: \`${facts.command}\``,
    `- ${plan.warmups} warm-up steps, then ${plan.rounds} rounds that alternate between the contenders; a contender`,
    `  whose warm-up takes more than ${plan.slowSeconds} s is not run again: that step is its only sample`,
    ...facts.method.map((text) => `- ${text}`),
    ...notes(rows),
    "",
    table(rows),
    "",
    "Seconds are medians with the distance of their quartiles; memory is the process's largest resident set.",
    "",
  ].join("\n");
}
