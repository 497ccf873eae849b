import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import {
  type Contender,
  measure,
  type Plan,
  type Variant,
} from "../../benchmarks/harness/measure.js";
import { interquartileRange, median, quantile } from "../../benchmarks/harness/statistics.js";

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
  const rows = await measure(variant({ seconds: 2, note: "fast" }, { seconds: 4 }), plan);
  t.equal(readFileSync(log, "utf8"), "ab" + "ab" + "ba" + "ab", "warm-up, then three rounds");
  t.match(rows, [
    { case: "sleep", contender: "a", samplesPerSecond: 4, median: 2, iqr: 0, steps: 3, tflops: 2 },
    { contender: "b", samplesPerSecond: 2, tflops: 1, ratio: 1, version: "test 1", threads: 1 },
  ]);
  t.equal(rows[0]?.ratio, 2, "samples per second over the baseline's");
  t.equal(rows[0]?.note, "fast");
  t.ok((rows[0]?.peakRssBytes ?? 0) > 2 ** 20);
});

t.test("contenders whose results differ are not timed", async (t) => {
  const differing = variant({ seconds: 2, loss: 1.001 }, { seconds: 4 });
  await t.rejects(measure(differing, plan), { message: /a and b disagree on loss.*not timed/ });
  const nonsense = variant({ seconds: 2, loss: Number.NaN }, { seconds: 4 });
  await t.rejects(measure(nonsense, plan), { message: /disagree on loss/ });
  t.equal(readFileSync(log, "utf8"), "");
});

t.test("a slow contender runs once", async (t) => {
  const rows = await measure(variant({ seconds: 2 }, { seconds: 11 }), plan);
  t.equal(readFileSync(log, "utf8"), "abaaa");
  t.match(rows[1], { median: 11, steps: 1 });
});

t.test("a contender that ends early ends the case with what it printed", async (t) => {
  const broken = variant({ seconds: 2, broken: true }, { seconds: 4 });
  await t.rejects(measure(broken, plan), { message: /ended early: no weights here/ });
});

t.test("medians and quartiles interpolate", (t) => {
  t.equal(median([3, 1, 2, 10]), 2.5);
  t.equal(quantile([0, 10], 0.3), 3);
  t.equal(interquartileRange([1, 2, 3, 4, 5]), 2);
  t.end();
});
