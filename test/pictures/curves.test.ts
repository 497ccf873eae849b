import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import type { MetricRow } from "../../lib/metrics/types.js";
import { ticks } from "../../lib/pictures/chart.js";
import { lossCurves, writeLossCurves } from "../../lib/pictures/index.js";

function row(stage: number, kind: MetricRow["kind"], step: number, loss: number | null): MetricRow {
  const modality = ["report", "xray"][stage - 1] as string;
  const rest = { epoch: 1, lr: 1e-3, samplesPerSecond: 9, gradientNorm: 1, waitMs: 0 };
  return { time: "2026-01-01T00:00:00.000Z", stage, modality, kind, step, loss, ...rest };
}

const rows = [
  ...Array.from({ length: 100 }, (_, i) => row(1, "plain", i + 1, 8 * Math.exp(-i / 40))),
  row(1, "validation", 100, 3),
  ...Array.from({ length: 50 }, (_, i) => row(2, "plain", i + 1, i === 7 ? null : 1 - i / 100)),
  ...Array.from({ length: 5 }, (_, i) => row(2, "replay", 51 + i, 0.2)),
];

t.test("a panel per stage, as SVG and as PNG of twice the size", async (t) => {
  const folder = t.testdir();
  writeFileSync(join(folder, "metrics.jsonl"), rows.map((r) => `${JSON.stringify(r)}\n`).join(""));
  const { svg, png } = await writeLossCurves(folder);
  const text = readFileSync(svg, "utf8");
  const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(text) ?? [];
  t.match(await sharp(png).metadata(), { width: 2 * Number(width), height: 2 * Number(height) });
  t.equal(text.match(/<circle[^>]*fill="#ea580c"/g)?.length, 1, "a dot for each validation");
  t.equal(text.match(/<circle[^>]*fill="#9333ea"/g)?.length, 5, "and one for each replay step");
  t.notMatch(text, /NaN|Infinity/);
  t.notMatch(text, /<text/, "labels need no font");
});

t.test("entries of the legend stay inside the picture, in as many rows as they need", (t) => {
  const marks = (shown: readonly MetricRow[]) => {
    const text = lossCurves(shown);
    const [, height] = /height="(\d+)"/.exec(text) ?? [];
    const found = text.matchAll(/<rect x="(\d+)" y="(\d+)" width="14"/g);
    return { height: Number(height), places: [...found].map(([, x, y]) => [Number(x), Number(y)]) };
  };
  const [first, second] = [216, 238];
  const two = marks(rows);
  t.equal(two.height, 210 + 2 * 22);
  t.match(two.places, [
    [52, first],
    [Number, first],
    [52, second],
  ]);
  const one = marks(rows.filter(({ stage }) => stage === 1));
  t.same(
    [one.height, one.places],
    [
      210 + 2 * 22,
      [
        [52, first],
        [52, second],
      ],
    ],
  );
  t.end();
});

t.test("a run without rows and a stage without a finite loss give a chart all the same", (t) => {
  t.match(lossCurves([]), /^<svg[\s\S]*<\/svg>$/);
  t.notMatch(lossCurves([row(1, "plain", 1, null)]), /NaN|Infinity/);
  t.notMatch(lossCurves([row(1, "plain", 1, 0)]), /NaN|Infinity/);
  t.notMatch(lossCurves([row(1, "replay", 1, 0.5)]), /NaN|Infinity/);
  t.end();
});

t.test("ticks are round and cover the range", (t) => {
  t.same(ticks(0, 150), [0, 50, 100, 150]);
  t.same(ticks(0.93, 1.08), [0.95, 1, 1.05]);
  t.same(ticks(-0.1, 0.1), [-0.1, -0.05, 0, 0.05, 0.1]);
  t.same(ticks(0, 36), [0, 10, 20, 30]);
  t.end();
});
