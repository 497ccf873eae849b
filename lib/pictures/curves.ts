/**
 * Loss curves of a run as one chart with a panel per stage, drawn from `metrics.jsonl`.
 *
 * Invariant: the chart holds nothing but what the file says; rows without a finite loss are left out.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { readRows } from "../metrics/rows.js";
import type { MetricRow } from "../stages/types.js";
import { axes, curve, dots, ink, panelTitle, rightAxis, swatch, swatchWidth } from "./chart.js";

interface Point {
  step: number;
  loss: number;
}

interface Panel {
  title: string;
  training: Point[];
  replay: Point[];
  validation: Point[];
}

const PANEL = { width: 300, height: 210 } as const;
const LEGEND_HEIGHT = 22;
const LEGEND_LEFT = 52;
const LEGEND_GAP = 16;
const COLUMNS = 3;

const emptyPanel = (): Omit<Panel, "title"> => ({ training: [], replay: [], validation: [] });

function panels(rows: readonly MetricRow[]): Panel[] {
  const stages = new Map<number, Panel>();
  for (const row of rows) {
    const panel = stages.get(row.stage) ?? { title: `${row.stage}`, ...emptyPanel() };
    stages.set(row.stage, panel);
    // Replay rows name the replayed modality, not the stage's.
    if (row.kind !== "replay") panel.title = `${row.stage} ${row.modality}`;
    if (row.loss === null || !Number.isFinite(row.loss)) continue;
    panel[row.kind === "plain" ? "training" : row.kind].push({ step: row.step, loss: row.loss });
  }
  return [...stages.entries()].sort(([a], [b]) => a - b).map(([, panel]) => panel);
}

/** Mean over a window of about a twentieth of the points. */
function smooth(points: readonly Point[]): Point[] {
  const half = Math.floor(points.length / 40);
  return points.map(({ step }, i) => {
    const near = points.slice(Math.max(0, i - half), i + half + 1);
    return { step, loss: near.reduce((sum, point) => sum + point.loss, 0) / near.length };
  });
}

function drawPanel(panel: Panel, left: number, top: number): string {
  const title = panelTitle(panel.title, left, top);
  const { training, replay, validation } = panel;
  const losses = [...training, ...validation];
  if (losses.length + replay.length === 0) return title;
  const place = { left, top, ...PANEL };
  const frame = axes(place, {
    x: [...losses, ...replay].map((point) => point.step),
    y: losses.map((point) => point.loss),
  });
  const at = (list: readonly Point[], y = frame.y) =>
    list.map(({ step, loss }): [number, number] => [frame.x(step), y(loss)]);
  const drawn = [
    title,
    frame.svg,
    curve(at(training), ink.training, 1, 0.3),
    curve(at(smooth(training)), ink.training, 1.8),
  ];
  if (replay.length > 0) {
    const right = rightAxis(
      place,
      replay.map((point) => point.loss),
      ink.replay,
    );
    drawn.push(right.svg, dots(at(replay, right.y), ink.replay, 1.6));
  }
  return [...drawn, dots(at(validation), ink.validation)].join("");
}

const names = {
  training: "training loss, smoothed (pale: raw)",
  validation: "validation loss",
  replay: "replay: distance to the teacher (right axis)",
} as const;

/** The legend's entries, in rows of as many as there is room for, and the height of these. */
function legend(shown: readonly Panel[], width: number, top: number) {
  const kinds = (["training", "validation", "replay"] as const).filter((kind) =>
    shown.some((panel) => panel[kind].length > 0),
  );
  let [left, line] = [LEGEND_LEFT, 0];
  const entries = kinds.map((kind) => {
    const needed = swatchWidth(names[kind]);
    if (left > LEGEND_LEFT && left + needed > width) [left, line] = [LEGEND_LEFT, line + 1];
    const entry = swatch(names[kind], ink[kind], left, top + LEGEND_HEIGHT * line);
    left += needed + LEGEND_GAP;
    return entry;
  });
  return { svg: entries.join(""), height: LEGEND_HEIGHT * (line + 1) };
}

/** The chart as SVG. */
export function lossCurves(rows: readonly MetricRow[]): string {
  const shown = panels(rows);
  const columns = Math.max(1, Math.min(COLUMNS, shown.length));
  const lines = Math.max(1, Math.ceil(shown.length / columns));
  const width = columns * PANEL.width;
  const entries = legend(shown, width, lines * PANEL.height + 4);
  const height = lines * PANEL.height + entries.height;
  const drawn = shown.map((panel, i) =>
    drawPanel(panel, (i % columns) * PANEL.width, Math.floor(i / columns) * PANEL.height),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...drawn,
    entries.svg,
    "</svg>",
  ].join("\n");
}

/**
 * Draws the curves of a run into `losses.svg` and `losses.png` (twice the size) in its folder.
 *
 * @returns both paths.
 */
export async function writeLossCurves(runFolder: string): Promise<{ svg: string; png: string }> {
  const chart = lossCurves(await readRows(join(runFolder, "metrics.jsonl")));
  const svg = join(runFolder, "losses.svg");
  const png = join(runFolder, "losses.png");
  await writeFile(svg, chart);
  await sharp(Buffer.from(chart), { density: 144 }).png({ compressionLevel: 9 }).toFile(png);
  return { svg, png };
}
