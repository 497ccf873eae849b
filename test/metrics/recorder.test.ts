import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { METRICS_FILE, Recorder } from "../../lib/metrics/recorder.js";
import { readRows, rowsUpTo } from "../../lib/metrics/rows.js";
import type { MetricRow } from "../../lib/metrics/types.js";

function row(stage: number, step: number, change: Partial<MetricRow> = {}): MetricRow {
  return {
    time: "2026-01-02T03:04:05.000Z",
    stage,
    modality: "ct",
    kind: "plain",
    epoch: 1,
    step,
    loss: 0.5,
    lr: 1e-3,
    samplesPerSecond: 10,
    gradientNorm: 2,
    waitMs: 0.1,
    ...change,
  };
}

t.test("rows come back as they were written", async (t) => {
  const folder = t.testdir();
  const rows = [
    row(1, 0, { kind: "validation", gradientNorm: null }),
    row(1, 1),
    row(1, 2, { loss: null }),
  ];
  {
    await using recorder = await Recorder.open(folder, []);
    for (const each of rows) await recorder.write(each);
    await recorder.flush();
  }
  t.same(await readRows(join(folder, METRICS_FILE)), rows);
});

t.test("opening with kept rows cuts the others off, from both files", async (t) => {
  const folder = t.testdir();
  const first = await Recorder.open(folder, []);
  for (let step = 1; step <= 5; step++) await first.write(row(1, step));
  await first.close();
  const path = join(folder, METRICS_FILE);
  appendFileSync(path, '{"stage":1,"step":6,"lo');
  const rows = await readRows(path);
  t.equal(rows.length, 5, "a torn line is no row");
  const kept = rowsUpTo(rows, 1, 3);
  const second = await Recorder.open(folder, kept);
  await second.write(row(1, 4, { loss: 0.25 }));
  await second.close();
  t.same(
    (await readRows(path)).map((each) => [each.step, each.loss]),
    [
      [1, 0.5],
      [2, 0.5],
      [3, 0.5],
      [4, 0.25],
    ],
  );
  const events = readdirSync(folder).filter((name) => name.startsWith("events.out.tfevents."));
  t.equal(events.length, 1);
  const text = readFileSync(join(folder, events[0] as string), "latin1");
  t.equal(text.split("ct/plain loss").length - 1, 4);
  t.equal(text.split("ct/gradient norm").length - 1, 4);
});

t.test("rows are kept by stage and step", async (t) => {
  const rows = [row(1, 9), row(2, 0), row(2, 3), row(2, 4), row(3, 1)];
  t.same(rowsUpTo(rows, 2, 3), rows.slice(0, 3));
  t.same(rowsUpTo(rows, 2, -1), rows.slice(0, 1));
});

t.test("no file has no rows; what is no row is left out", async (t) => {
  t.same(await readRows(join(t.testdir(), "none")), []);
  const folder = t.testdir({ [METRICS_FILE]: '{"a":1}\nnull\n3\n' });
  t.same(await readRows(join(folder, METRICS_FILE)), []);
  await t.rejects(readRows(folder), { code: "EISDIR" });
});

t.test("a folder that is not there is E_WRITE", async (t) => {
  await t.rejects(Recorder.open(join(t.testdir(), "none"), []), { code: "E_WRITE" });
});
