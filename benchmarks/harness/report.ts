/** A run's rows as a table for the terminal and as a markdown report. */
import type { Hardware } from "./hardware.js";
import type { Measured, Plan, Row } from "./variant.js";

export interface RunFacts {
  theme: string;
  date: string;
  hardware: Hardware;
  /** Of every contender. */
  threads: number;
  command: string;
  plan: Plan;
  /** Lines that tell what was verified and how the cases are set up. */
  method: readonly string[];
  /** File of the plot beside the report. */
  picture?: string;
}

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(2);

/** A column that is left out where no row has a value for it. */
interface Column {
  name: string;
  cell(row: Row): string | undefined;
}

const columns: readonly Column[] = [
  { name: "case", cell: (row) => row.case },
  { name: "contender", cell: (row) => row.contender },
  { name: "samples/s", cell: (row) => row.samplesPerSecond.toPrecision(3) },
  { name: "s per step", cell: (row) => row.median.toPrecision(3) },
  { name: "IQR", cell: (row) => row.iqr.toPrecision(2) },
  { name: "steps", cell: (row) => String(row.steps) },
  { name: "peak GiB", cell: (row) => gib(row.peakRssBytes) },
  {
    name: "beyond state GiB",
    cell: ({ beyondStateBytes: bytes }) => (bytes === undefined ? undefined : gib(bytes)),
  },
  {
    name: "GPU GiB",
    cell: ({ peakDeviceBytes: bytes }) => (bytes === undefined ? undefined : gib(bytes)),
  },
  { name: "TFLOP/s", cell: ({ tflops }) => (tflops > 0 ? tflops.toPrecision(3) : undefined) },
  {
    name: "share of peak",
    cell: ({ share }) => (share === undefined ? undefined : `${(100 * share).toFixed(0)} %`),
  },
];

/** Its heading names the baseline; where cases have several, each cell does. */
function ratioColumn(rows: readonly Row[]): Column {
  const baselines = new Set(rows.flatMap(({ baseline }) => baseline ?? []));
  const [only] = baselines;
  if (baselines.size === 1) {
    return { name: `ratio over ${only}`, cell: ({ ratio }) => ratio?.toPrecision(3) };
  }
  const cell = ({ ratio, baseline }: Row) =>
    ratio === undefined ? undefined : `${ratio.toPrecision(3)} over ${baseline}`;
  return { name: "ratio", cell };
}

function aligned(lines: readonly string[][]): string {
  const head = lines[0] as string[];
  const all = [head, head.map(() => "---"), ...lines.slice(1)];
  const widths = head.map((_, i) => Math.max(...all.map((line) => (line[i] as string).length)));
  const line = (items: readonly string[]) =>
    `| ${items.map((item, i) => item.padEnd(widths[i] as number)).join(" | ")} |`;
  return all.map(line).join("\n");
}

/** A markdown table, which is readable on a terminal too. */
export function table(rows: readonly Row[]): string {
  const all = [...columns, ratioColumn(rows)];
  const shown = all.filter(({ cell }) => rows.some((row) => cell(row) !== undefined));
  const cells = rows.map((row) => shown.map(({ cell }) => cell(row) ?? ""));
  return aligned([shown.map(({ name }) => name), ...cells]);
}

const OURS = "medcoss";
/** Contenders that are one PyTorch programmer's best: the faster of them counts. */
const isBest = (name: string) => name === "tuned" || name.startsWith("compiled");

/** How many times as fast as each peer this package is; empty where a case has fewer than two peers. */
export function comparison(rows: readonly Row[]): string {
  const found = [...new Set(rows.map((row) => row.case))].flatMap((name) => {
    const all = rows.filter((row) => row.case === name);
    const ours = all.find(({ contender }) => contender === OURS);
    if (ours === undefined || all.length < 3) return [];
    const times = (choose: (contender: string) => boolean) => {
      const speeds = all
        .filter(({ contender }) => choose(contender))
        .map((row) => row.samplesPerSecond);
      return speeds.length > 0 ? (ours.samplesPerSecond / Math.max(...speeds)).toFixed(2) : "";
    };
    const others = ["pytorch", "published"].map((peer) => times((other) => other === peer));
    return [[name, ...others, times(isBest)]];
  });
  if (found.every((line) => line.slice(1).every((cell) => cell === ""))) return "";
  return aligned([
    ["medcoss is faster than", "pytorch", "published", "the faster of tuned and compiled"],
    ...found,
  ]);
}

function notes(rows: readonly Row[]): string[] {
  const found = rows.filter((row) => row.note).map((row) => `- ${row.contender}: ${row.note}`);
  return [...new Set(found)];
}

/** The matrix product's speed in each precision over the run. */
function peaks(rows: readonly Row[]): string[] {
  const lines = ["fp32", "bf16"].flatMap((precision) => {
    const found = rows
      .filter((row) => row.case.includes(` ${precision} `))
      .flatMap(({ peakTflops }) => (peakTflops === undefined ? [] : [peakTflops]));
    if (found.length === 0) return [];
    const range = [Math.min(...found), Math.max(...found)].map((value) => value.toPrecision(3));
    return [
      `- Matrix product in ${precision}, between the rounds: ${range.join(" to ")} TFLOP/s (medians of the cases)`,
    ];
  });
  return lines;
}

const steps = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** What a run is made on and how: the same on the terminal and in a report. */
export function conditions({
  hardware,
  threads,
  plan,
}: Pick<RunFacts, "hardware" | "threads" | "plan">): string[] {
  const { processor, cores, features, memoryBytes, node, medcoss, libtorch, gpu } = hardware;
  return [
    ...(gpu === undefined ? [] : [`- GPU: ${gpu}`]),
    `- Processor: ${processor}, ${cores} cores, ${features.join(" ") || "no listed features"}; ${steps(threads, "thread")}`,
    `- Memory: ${gib(memoryBytes)} GiB`,
    `- medcoss ${medcoss}, LibTorch ${libtorch}, Node ${node}`,
    `- ${steps(plan.warmups, "warm-up step")}, then ${steps(plan.rounds, "round")} in which the contenders take turns${plan.fixed ? ";" : ", where the case has no numbers of its own;"}`,
    `  a contender whose steps take more than ${plan.slowSeconds} s is not run again: one is its only sample`,
  ];
}

/** Without the folders of files, which are this machine's. */
const withoutFolders = (reason: string) =>
  reason.replace(/(?<![\w.])(?:\/[^\s/"':()]+)+\/(?=[^\s/])/g, "");

export function markdown(facts: RunFacts, { rows, refused }: Measured): string {
  const versions = [
    ...new Set(rows.map((row) => `${row.contender}: ${row.version}, ${row.threads} threads`)),
  ];
  const compared = comparison(rows);
  const { gpu, processor } = facts.hardware;
  return [
    `# ${facts.theme}, ${gpu?.split(",")[0] ?? processor}, ${facts.date}`,
    "",
    ...conditions(facts),
    `- Command: \`${facts.command}\``,
    ...versions.map((version) => `- ${version}`),
    ...facts.method.map((text) => `- ${text}`),
    ...peaks(rows),
    ...notes(rows),
    "",
    table(rows),
    "",
    "Seconds are medians with the distance of their quartiles; memory is the process's largest resident set; ratios are of samples per second.",
    "",
    ...(facts.picture ? [`![samples per second](${facts.picture})`, ""] : []),
    ...(compared ? [compared, ""] : []),
    ...(refused.length > 0
      ? [
          "Not timed, or not to the end:",
          "",
          ...refused.map((one) => `- ${one.case}, ${one.contender}: ${withoutFolders(one.reason)}`),
          "",
        ]
      : []),
  ].join("\n");
}
