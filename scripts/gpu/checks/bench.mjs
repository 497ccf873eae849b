/**
 * Speed of plain, then of replay steps of the base model in bf16, batch 128 and 512: best-practice PyTorch under
 * torch.compile and the published engine run in the same minutes. A contender that is refused (its results differ, or it
 * breaks) is a failure; steps for which no time is left are skipped.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kinds } from "../batches.mjs";
import { batches, device, NO_TIME, Part, results, timeLeft } from "../part.mjs";
import { refusalsIn } from "../refusals.mjs";

const part = new Part("bench");
const program = fileURLToPath(new URL("../../../benchmarks/run.js", import.meta.url));
const json = join(results, "bench-rows.json");
/** Seconds that the contenders of a step take, their start included: on average 38 on an H200. */
const LONGEST = 50;
const CONTENDERS = ["medcoss", "compiled", "published"];
const hasPublished = existsSync("reference");

/** What has to be reached over the compiled peer, and over the published engine. */
const wanted = { image2d: 1.2, volume3d: 1.2, text: 1.5 };
const OVER_PUBLISHED = 2;
const IMAGE_TFLOPS = 0.45 * 790;

/** @typedef {{ case: string, contender: string, samplesPerSecond: number, median: number, tflops: number }} Row */

/** The benchmark's reports of this machine. */
const reports = () =>
  readdirSync(results)
    .filter((name) => /^step_.*\.md$/.test(name))
    .map((name) => join(results, name));

/** The steps one after another, so that what is measured is kept when the time is over. @param {number} minutes */
function measureAll(minutes) {
  for (const old of [json, ...reports()]) rmSync(old, { force: true });
  const args = [
    ...[program, "step", "--device", device, "--precision", "bf16", "--goals", "--warmups", "1"],
    ...["--rounds", "3", "--minutes", minutes.toFixed(3)],
    ...["--golden", "none", ...CONTENDERS.flatMap((name) => ["--contender", name])],
    ...["--json", json, "--reports", results],
    ...(hasPublished ? ["--reference", "reference"] : []),
    ...batches.flatMap((batch) => ["--batch", String(batch)]),
    ...(device === "cpu" ? ["--quick", "--kind", "text", "--compile", "none"] : []),
  ];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  const [report] = reports();
  part.claim(report !== undefined, "the benchmark runs to its end", `exit code ${status}`);
  const { leftOut, refused } = refusalsIn(report ? readFileSync(report, "utf8") : "");
  for (const { case: name, contender, reason } of refused)
    part.claim(false, `${name}: ${contender} takes part`, reason);
  /** @type {Row[]} */
  const rows = existsSync(json) ? JSON.parse(readFileSync(json, "utf8")) : [];
  return { rows, leftOut };
}

/** @param {Row[]} rows of one case @param {string} peer */
function ratioTo(rows, peer) {
  const speedOf = (/** @type {string} */ name) =>
    rows.find(({ contender }) => contender === name)?.samplesPerSecond;
  const [ours, theirs] = [speedOf("medcoss"), speedOf(peer)];
  return ours === undefined || theirs === undefined ? undefined : ours / theirs;
}

/** @param {string} name of a case @param {Row[]} rows of it @param {boolean} late whether no time was left for it */
function judge(name, rows, late) {
  const kind = /** @type {keyof typeof wanted} */ (kinds.find((one) => name.includes(one)));
  const plain = name.includes("plain");
  const reason = late ? NO_TIME : "not measured";
  /** @param {string} peer @param {string} called @param {number} least @param {string} [missing] */
  const compare = (peer, called, least, missing) => {
    const what = `${name}: ${least} times ${called}`;
    const ratio = ratioTo(rows, peer);
    if (ratio === undefined) part.skip(what, missing ?? reason);
    else part.claim(ratio >= least, what, ratio.toFixed(2));
  };
  if (plain) compare("compiled", "compiled PyTorch", wanted[kind]);
  const missing = hasPublished ? undefined : "packed without --reference";
  compare("published", "the published engine", OVER_PUBLISHED, missing);
  if (kind !== "image2d" || !plain) return;
  const what = `${name}: 45 % of 790 TFLOP/s`;
  const ours = rows.find(({ contender }) => contender === "medcoss");
  if (ours === undefined) part.skip(what, reason);
  else part.claim(ours.tflops >= IMAGE_TFLOPS, what, ours.tflops.toFixed(0));
}

/** Names of all cases, in the order in which they are measured. */
const cases = ["plain", "replay"].flatMap((objective) =>
  batches.flatMap((batch) => kinds.map((kind) => `step ${kind} bf16 ${objective} batch ${batch}`)),
);

await part.attempt("benchmark", async () => {
  const seconds = timeLeft() - LONGEST;
  const { rows, leftOut } =
    seconds >= 1 ? measureAll(seconds / 60) : { rows: [], leftOut: new Set(cases) };
  for (const { case: name, contender, samplesPerSecond, median, tflops } of rows) {
    part.row("steps", {
      ...{ case: name, contender, "samples/s": samplesPerSecond.toPrecision(4) },
      ...{ "ms a step": (1e3 * median).toPrecision(4), "TFLOP/s": tflops.toFixed(1) },
    });
  }
  if (device === "cpu") return;
  for (const name of cases) {
    const own = rows.filter((row) => row.case === name);
    judge(name, own, leftOut.has(name));
  }
});
