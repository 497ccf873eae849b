/**
 * Speed of plain, then of replay steps of the base model in bf16, batch 128 and 512: best-practice PyTorch under
 * torch.compile and the published engine run in the same minutes. Contenders whose results differ are not timed, and
 * variants for which no time is left are skipped.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { batches, device, Part, results } from "../part.mjs";

const part = new Part("bench");
const program = fileURLToPath(new URL("../../../benchmarks/run.js", import.meta.url));
const seconds = Number(process.env.MEDCOSS_GPU_LIMIT ?? 600);
/** Seconds that a variant takes, its contenders' start included. */
const LONGEST = 60;
const CONTENDERS = ["medcoss", "compiled", "published"];

/** What has to be reached over the compiled peer, and over the published engine. */
const wanted = { image2d: 1.2, volume3d: 1.2, text: 1.5 };
const OVER_PUBLISHED = 2;
const IMAGE_TFLOPS = 0.45 * 790;

/** @typedef {{ case: string, contender: string, samplesPerSecond: number, median: number, tflops: number }} Row */

/** The variants one after another, so that what is measured is kept when the time is over. */
function measureAll() {
  const json = join(results, "bench-rows.json");
  const reference = existsSync("reference") ? ["--reference", "reference"] : [];
  const args = [
    ...[program, "step", "--device", device, "--precision", "bf16", "--goals", "--warmups", "1"],
    ...["--rounds", "3", "--minutes", (Math.max(LONGEST, seconds - LONGEST) / 60).toFixed(2)],
    ...["--golden", "none", ...CONTENDERS.flatMap((name) => ["--contender", name])],
    ...["--json", json, "--reports", results, ...reference],
    ...batches.flatMap((batch) => ["--batch", String(batch)]),
    ...(device === "cpu" ? ["--quick", "--kind", "text", "--compile", "none"] : []),
  ];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  part.claim(status === 0, "the benchmark runs to its end", `exit code ${status}`);
  /** @type {Row[]} */
  const rows = existsSync(json) ? JSON.parse(readFileSync(json, "utf8")) : [];
  return rows;
}

/** @param {Row[]} rows of one case @param {(contender: string) => boolean} peer */
function ratioTo(rows, peer) {
  const ours = rows.find(({ contender }) => contender === "medcoss");
  const speeds = rows
    .filter(({ contender }) => peer(contender))
    .map(({ samplesPerSecond }) => samplesPerSecond);
  return ours === undefined || speeds.length === 0
    ? undefined
    : ours.samplesPerSecond / Math.max(...speeds);
}

/** @param {string} name @param {Row[]} rows */
function judge(name, rows) {
  const kind = /** @type {keyof typeof wanted} */ (
    Object.keys(wanted).find((k) => name.includes(k))
  );
  const best = ratioTo(rows, (peer) => peer.startsWith("compiled"));
  if (best !== undefined) {
    const what = `${name}: ${wanted[kind]} times compiled PyTorch`;
    part.claim(best >= wanted[kind], what, best.toFixed(2));
  } else if (name.includes("plain")) {
    part.skip(`${name}: rate beside compiled PyTorch`, "not measured");
  }
  const published = ratioTo(rows, (peer) => peer === "published");
  if (published !== undefined) {
    const what = `${name}: ${OVER_PUBLISHED} times the published engine`;
    part.claim(published >= OVER_PUBLISHED, what, published.toFixed(2));
  }
  const ours = rows.find(({ contender }) => contender === "medcoss");
  if (kind !== "image2d" || !name.includes("plain") || ours === undefined) return;
  part.claim(ours.tflops >= IMAGE_TFLOPS, `${name}: 45 % of 790 TFLOP/s`, ours.tflops.toFixed(0));
}

await part.attempt("benchmark", async () => {
  const rows = measureAll();
  for (const { case: name, contender, samplesPerSecond, median, tflops } of rows) {
    part.row("steps", {
      ...{ case: name, contender, "samples/s": samplesPerSecond.toPrecision(4) },
      ...{ "ms a step": (1e3 * median).toPrecision(4), "TFLOP/s": tflops.toFixed(1) },
    });
  }
  if (device === "cpu") return;
  const measured = new Set(rows.map((row) => row.case)).size;
  const all = batches.length * Object.keys(wanted).length * 2;
  if (measured < all) part.skip("the other steps", `time for ${measured} of ${all}`);
  for (const name of new Set(rows.map((row) => row.case))) {
    judge(
      name,
      rows.filter((row) => row.case === name),
    );
  }
});
