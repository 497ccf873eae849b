import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { hardware } from "../../benchmarks/harness/hardware.js";
import { measure } from "../../benchmarks/harness/measure.js";
import { chart } from "../../benchmarks/harness/plot.js";
import { markdown, table } from "../../benchmarks/harness/report.js";
import { interquartileRange, median, quantile } from "../../benchmarks/harness/statistics.js";
import type { Contender, Plan, Row, Variant } from "../../benchmarks/harness/variant.js";

const folder = mkdtempSync(join(tmpdir(), "medcoss-bench-"));
const log = join(folder, "order.log");
const script = join(folder, "worker.mjs");

// Answers as a worker does: its steps take the seconds of its configuration, in the order that the log shows.
writeFileSync(
  script,
  `import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
let setup;
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (!setup) {
    setup = request;
    if (setup.broken) { console.error("no weights here"); process.exit(3); }
    console.log(JSON.stringify({ ready: true, version: "test 1", threads: 1, note: setup.note }));
  } else if (request.command === "check") {
    console.log(JSON.stringify({ loss: setup.loss, gradientNorm: 2 }));
  } else {
    appendFileSync(${JSON.stringify(log)}, setup.name);
    console.log(JSON.stringify({ seconds: [setup.seconds], loss: 1 }));
  }
}
`,
);

interface Behaviour {
  seconds: number;
  loss?: number;
  note?: string;
  broken?: boolean;
}

function contender(name: string, behaviour: Behaviour): Contender {
  const command = { executable: process.execPath, args: [script] };
  return { name, command, configuration: { name, loss: 1, ...behaviour } };
}

function variant(a: Behaviour, b: Behaviour): Variant {
  return {
    case: "sleep",
    contenders: [contender("a", a), contender("b", b)],
    baseline: "b",
    samplesPerStep: 8,
    flopsPerStep: 4e12,
    agreement: { loss: 1e-5, gradientNorm: 1e-3 },
  };
}

const plan: Plan = { warmups: 1, rounds: 3, slowSeconds: 10 };

t.beforeEach(() => writeFileSync(log, ""));

t.test("contenders alternate, and each row tells speed, memory and ratio", async (t) => {
  const { rows, refused } = await measure(
    variant({ seconds: 2, note: "fast" }, { seconds: 4 }),
    plan,
  );
  t.equal(readFileSync(log, "utf8"), "ab" + "ab" + "ba" + "ab", "warm-up, then three rounds");
  t.match(rows, [
    { case: "sleep", contender: "a", samplesPerSecond: 4, median: 2, iqr: 0, steps: 3, tflops: 2 },
    { contender: "b", samplesPerSecond: 2, tflops: 1, ratio: 1, version: "test 1", threads: 1 },
  ]);
  t.equal(rows[0]?.ratio, 2, "samples per second over the baseline's");
  t.equal(rows[0]?.baseline, "b");
  t.equal(rows[0]?.note, "fast");
  t.ok((rows[0]?.peakRssBytes ?? 0) > 2 ** 20);
  t.same(refused, []);
});

t.test("a contender whose result is not the baseline's is not timed", async (t) => {
  for (const loss of [1.001, Number.NaN]) {
    const { rows, refused } = await measure(variant({ seconds: 2, loss }, { seconds: 4 }), plan);
    t.match(refused, [{ case: "sleep", contender: "a" }]);
    t.match(refused[0]?.reason, /b and a disagree on loss.*not timed/);
    t.match(rows, [{ contender: "b" }]);
    t.equal(rows.length, 1);
  }
  t.notMatch(readFileSync(log, "utf8"), /a/);
});

t.test("without the baseline's own speed there is no ratio", async (t) => {
  const once = { ...plan, rounds: 1 };
  const alone = variant({ seconds: 2 }, { seconds: 4 });
  for (const kept of ["a", "b"]) {
    const contenders = alone.contenders.filter(({ name }) => name === kept);
    const { rows } = await measure({ ...alone, contenders }, once);
    t.notOk(rows.some((row) => "ratio" in row || "baseline" in row));
  }
  const { rows } = await measure({ ...alone, baseline: "c" }, once);
  t.equal(rows.length, 2);
  t.notOk(rows.some((row) => "ratio" in row));
});

t.test("each phase is one line that grows, also where a contender breaks", async (t) => {
  const said: string[] = [];
  const broken = variant({ seconds: 2 }, { seconds: 4, broken: true });
  await measure(broken, { ...plan, rounds: 1 }, { write: (text) => said.push(text) });
  t.match(
    said.join(""),
    /^ {2}start: a \S+ m?s, b refused\n {2}check: a \S+ m?s\n {2}warm-up: a 2\.00 s\n {2}round 1 of 1: a 2\.00 s\n$/,
  );
  t.equal(said[0], "  start:", "before it is done");
});

t.test("a contender that checks itself is not compared", async (t) => {
  const own = variant({ seconds: 2, loss: 7 }, { seconds: 4 });
  const [first] = own.contenders as [Contender];
  first.check = "own";
  const { rows } = await measure(own, plan);
  t.equal(rows.length, 2);
});

t.test("shares are of the matrix product that is timed in every round", async (t) => {
  const asked: string[] = [];
  const meter = {
    async tflops(precision: string) {
      asked.push(precision);
      return [3, 4, 8][asked.length - 1] as number;
    },
  };
  const timed: Variant = { ...variant({ seconds: 2 }, { seconds: 4 }), precision: "bf16" };
  (timed.contenders[0] as Contender).executedFlops = 1e12;
  const { rows } = await measure(timed, plan, { meter });
  t.same(asked, ["bf16", "bf16", "bf16"]);
  t.match(rows, [
    { share: 0.125, tflops: 2, peakTflops: 4 },
    { share: 0.25, tflops: 1 },
  ]);
});

t.test("a slow contender runs once, however long its first step compiles", async (t) => {
  const twice = { ...plan, warmups: 2 };
  const { rows } = await measure(variant({ seconds: 2 }, { seconds: 11 }), twice);
  t.equal(readFileSync(log, "utf8"), "aabbaaa");
  t.match(rows[1], { median: 11, steps: 1 });
});

t.test("a contender that ends early is refused with what it printed", async (t) => {
  const broken = variant({ seconds: 2, broken: true }, { seconds: 4 });
  const { rows, refused } = await measure(broken, plan);
  t.match(refused, [{ contender: "a", reason: /ended early: no weights here/ }]);
  t.match(rows, [{ contender: "b", steps: 3 }]);
});

function row(contender: string, samplesPerSecond: number): Row {
  return {
    ...{ case: "step image2d bf16 plain batch 16", contender, samplesPerSecond, median: 1, iqr: 0 },
    ...{ steps: 3, peakRssBytes: 2 ** 30, tflops: 0.2, version: "1", threads: 2 },
    ...{ ratio: samplesPerSecond, baseline: "pytorch", peakTflops: 0.4, share: 0.5 },
  };
}

t.test("the report has the table, what is faster than what, and who was refused", (t) => {
  const rows = [row("medcoss", 6), row("tuned", 4), row("compiled", 5), row("pytorch", 1)];
  const reason = "/home/someone/venv/bin/python ended early: No such file: /data/x.npy, 3/4 done";
  const refused = [{ case: "step", contender: "published", reason }];
  const machine = hardware();
  const facts = { theme: "step", date: "2026-01-01", hardware: machine, threads: 2, plan };
  const about = { ...facts, command: "bench", method: ["how"], picture: "a.svg" };
  const text = markdown(about, { rows, refused });
  t.match(text, /\| step image2d bf16 plain batch 16 +\| 6\.00 +\| +\| 1\.20 /, "against the best");
  t.match(
    text,
    "- step, published: python ended early: No such file: x.npy, 3/4 done",
    "without the folders of this machine",
  );
  t.match(text, /Matrix product in bf16.*0\.400/);
  t.match(text, "![samples per second](a.svg)");
  t.match(chart(rows), /^<svg .*<\/svg>\n$/s);
  t.equal((chart(rows).match(/<rect /g) ?? []).length, 1 + rows.length);
  t.end();
});

t.test("the table says what ratios are over, in its heading or in each cell", (t) => {
  const { ratio, baseline, ...without } = row("published", 2);
  t.match(
    table([row("medcoss", 6), without]),
    /ratio over pytorch \|\n.*\n.* 6\.00 +\|\n.* {4}\|$/,
  );
  t.match(
    table([row("medcoss", 6), { ...row("medcoss", 3), baseline: "nibabel" }]),
    /ratio +\|\n.*\n.* 6\.00 over pytorch \|\n.* 3\.00 over nibabel \|$/,
  );
  t.notMatch(table([without]), "ratio");
  t.end();
});

t.test("medians and quartiles interpolate", (t) => {
  t.equal(median([3, 1, 2, 10]), 2.5);
  t.equal(quantile([0, 10], 0.3), 3);
  t.equal(interquartileRange([1, 2, 3, 4, 5]), 2);
  t.end();
});
