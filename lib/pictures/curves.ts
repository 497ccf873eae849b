/**
 * Loss curves of a run as one chart with a panel per stage, drawn from `metrics.jsonl`.
 *
 * Invariant: the chart holds nothing but what the file says; rows without a finite loss leave a gap.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { MetricRow } from "../stages/types.js";
import { textPath, textWidth } from "./font.js";

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

const PANEL = {
	width: 300,
	height: 210,
	left: 52,
	right: 12,
	top: 28,
	bottom: 30,
} as const;
const COLUMNS = 3;
const ink = {
	text: "#27272a",
	grid: "#e4e4e7",
	training: "#2563eb",
	replay: "#9333ea",
	validation: "#ea580c",
};

/** Rows of a metrics file; a last line that was cut off is left out. */
export function parseMetrics(text: string): MetricRow[] {
	return text.split("\n").flatMap((line) => {
		try {
			return line === "" ? [] : [JSON.parse(line) as MetricRow];
		} catch {
			return [];
		}
	});
}

function panels(rows: readonly MetricRow[]): Panel[] {
	const stages = new Map<number, Panel>();
	for (const row of rows) {
		const title = `${row.stage} ${row.modality}`;
		const panel = stages.get(row.stage) ?? {
			title,
			training: [],
			replay: [],
			validation: [],
		};
		stages.set(row.stage, panel);
		if (row.loss === null || !Number.isFinite(row.loss)) continue;
		panel[row.kind === "plain" ? "training" : row.kind].push({
			step: row.step,
			loss: row.loss,
		});
	}
	return [...stages.entries()]
		.sort(([a], [b]) => a - b)
		.map(([, panel]) => panel);
}

/** Mean over a window of about a twentieth of the points. */
function smooth(points: readonly Point[]): Point[] {
	const half = Math.floor(points.length / 40);
	return points.map(({ step }, i) => {
		const near = points.slice(Math.max(0, i - half), i + half + 1);
		return {
			step,
			loss: near.reduce((sum, point) => sum + point.loss, 0) / near.length,
		};
	});
}

/** About four round numbers that cover a range. */
export function ticks(low: number, high: number): number[] {
	const rough = (high - low) / 4;
	const power = 10 ** Math.floor(Math.log10(rough));
	const unit =
		([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
	const first = Math.ceil(low / unit - 1e-9);
	const last = Math.floor(high / unit + 1e-9);
	return Array.from({ length: last - first + 1 }, (_, i) =>
		Number(((first + i) * unit).toPrecision(12)),
	);
}

function range(values: readonly number[], padding: number): [number, number] {
	const low = Math.min(...values);
	const high = Math.max(...values);
	const room = (high - low) * padding || Math.abs(high) * 0.1 || 1;
	return [low - room, high + room];
}

const label = (value: number) => String(Number(value.toPrecision(6)));

function drawPanel(panel: Panel, left: number, top: number): string {
	const points = [...panel.training, ...panel.replay, ...panel.validation];
	const title = textPath(
		panel.title,
		left + PANEL.left,
		top + 8,
		1.5,
		ink.text,
	);
	if (points.length === 0) return title;
	const last = Math.max(1, ...points.map((point) => point.step));
	const [low, high] = range(
		points.map((point) => point.loss),
		0.06,
	);
	const width = PANEL.width - PANEL.left - PANEL.right;
	const height = PANEL.height - PANEL.top - PANEL.bottom;
	const x = (step: number) => left + PANEL.left + (width * step) / last;
	const y = (loss: number) =>
		top + PANEL.top + height * (1 - (loss - low) / (high - low));
	const path = (list: readonly Point[]) =>
		list
			.map(
				({ step, loss }, i) =>
					`${i ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`,
			)
			.join("");
	const curve = (
		list: readonly Point[],
		colour: string,
		thick: number,
		opacity = 1,
	) =>
		`<path d="${path(list)}" fill="none" stroke="${colour}" stroke-width="${thick}" stroke-opacity="${opacity}"/>`;
	const levels = ticks(low, high).map((value) => {
		const text = label(value);
		const line = `<path d="M${x(0)} ${y(value).toFixed(1)}h${width}" stroke="${ink.grid}"/>`;
		return (
			line +
			textPath(
				text,
				x(0) - textWidth(text, 1) - 5,
				Math.round(y(value)) - 3,
				1,
				ink.text,
			)
		);
	});
	const steps = ticks(0, last).map((value) => {
		const text = label(value);
		const at = Math.round(x(value) - textWidth(text, 1) / 2);
		return textPath(
			text,
			at,
			top + PANEL.height - PANEL.bottom + 7,
			1,
			ink.text,
		);
	});
	const dots = panel.validation.map(
		({ step, loss }) =>
			`<circle cx="${x(step).toFixed(1)}" cy="${y(loss).toFixed(1)}" r="2.6" fill="${ink.validation}"/>`,
	);
	return [
		title,
		...levels,
		...steps,
		curve(panel.training, ink.training, 1, 0.3),
		curve(smooth(panel.training), ink.training, 1.8),
		curve(panel.replay, ink.replay, 1, 0.5),
		curve(panel.validation, ink.validation, 1.2),
		...dots,
	].join("");
}

function legend(panelsShown: readonly Panel[], top: number): string {
	let left = PANEL.left;
	const entries = (["training", "replay", "validation"] as const).filter(
		(kind) => panelsShown.some((panel) => panel[kind].length > 0),
	);
	return entries
		.map((kind) => {
			const swatch = `<rect x="${left}" y="${top + 2}" width="14" height="4" fill="${ink[kind]}"/>`;
			const text = textPath(`${kind} loss`, left + 20, top, 1, ink.text);
			left += 40 + textWidth(`${kind} loss`, 1);
			return swatch + text;
		})
		.join("");
}

/** The chart as SVG. */
export function lossCurves(rows: readonly MetricRow[]): string {
	const shown = panels(rows);
	const columns = Math.max(1, Math.min(COLUMNS, shown.length));
	const lines = Math.max(1, Math.ceil(shown.length / columns));
	const width = columns * PANEL.width;
	const height = lines * PANEL.height + 22;
	const drawn = shown.map((panel, i) =>
		drawPanel(
			panel,
			(i % columns) * PANEL.width,
			Math.floor(i / columns) * PANEL.height,
		),
	);
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
		`<rect width="${width}" height="${height}" fill="#ffffff"/>`,
		...drawn,
		legend(shown, lines * PANEL.height + 4),
		"</svg>",
	].join("\n");
}

/**
 * Draws the curves of a run into `losses.svg` and `losses.png` (twice the size) in its folder.
 *
 * @returns both paths.
 */
export async function writeLossCurves(
	runFolder: string,
): Promise<{ svg: string; png: string }> {
	const rows = parseMetrics(
		await readFile(join(runFolder, "metrics.jsonl"), "utf8"),
	);
	const chart = lossCurves(rows);
	const svg = join(runFolder, "losses.svg");
	const png = join(runFolder, "losses.png");
	await writeFile(svg, chart);
	await sharp(Buffer.from(chart), { density: 144 })
		.png({ compressionLevel: 9 })
		.toFile(png);
	return { svg, png };
}
