/**
 * The parts of a line chart as SVG: axes with round numbers, curves, dots and legend.
 *
 * Invariant: everything that is placed through `axes` lies inside its frame.
 */
import { textPath, textWidth } from "./font.js";

export const ink = {
  text: "#27272a",
  grid: "#e4e4e7",
  training: "#2563eb",
  replay: "#9333ea",
  validation: "#ea580c",
} as const;

const MARGIN = { left: 52, right: 12, top: 28, bottom: 30 } as const;

/** About four round numbers that cover a range. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / unit - 1e-9);
  const last = Math.floor(high / unit + 1e-9);
  const round = (value: number) => Number(value.toPrecision(12));
  return Array.from({ length: last - first + 1 }, (_, i) => round((first + i) * unit));
}

function padded(values: readonly number[]): [number, number] {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

const label = (value: number) => String(Number(value.toPrecision(6)));

export interface Axes {
  /** Pixel of a value. */
  x(value: number): number;
  y(value: number): number;
  /** Grid and numbers. */
  svg: string;
}

/** Axes of a panel at (left, top): x from 0 to the largest value, y over the range of the values. */
export function axes(panel: {
  left: number;
  top: number;
  width: number;
  height: number;
  x: readonly number[];
  y: readonly number[];
}): Axes {
  const { left, top } = panel;
  const width = panel.width - MARGIN.left - MARGIN.right;
  const height = panel.height - MARGIN.top - MARGIN.bottom;
  const last = Math.max(1, ...panel.x);
  const [low, high] = padded(panel.y);
  const x = (value: number) => left + MARGIN.left + (width * value) / last;
  const y = (value: number) => top + MARGIN.top + height * (1 - (value - low) / (high - low));
  const levels = ticks(low, high).map((value) => {
    const text = label(value);
    const line = `<path d="M${x(0)} ${y(value).toFixed(1)}h${width}" stroke="${ink.grid}"/>`;
    const at = x(0) - textWidth(text, 1) - 5;
    return line + textPath(text, at, Math.round(y(value)) - 3, 1, ink.text);
  });
  const steps = ticks(0, last).map((value) => {
    const text = label(value);
    const at = Math.round(x(value) - textWidth(text, 1) / 2);
    return textPath(text, at, top + panel.height - MARGIN.bottom + 7, 1, ink.text);
  });
  return { x, y, svg: [...levels, ...steps].join("") };
}

/** The title of a panel at (left, top). */
export function panelTitle(title: string, left: number, top: number): string {
  return textPath(title, left + MARGIN.left, top + 8, 1.5, ink.text);
}

/** A line through points given in pixels. */
export function curve(
  points: ReadonlyArray<readonly [number, number]>,
  colour: string,
  thickness: number,
  opacity = 1,
): string {
  const path = points
    .map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join("");
  const stroke = `stroke="${colour}" stroke-width="${thickness}" stroke-opacity="${opacity}"`;
  return path === "" ? "" : `<path d="${path}" fill="none" ${stroke}/>`;
}

/** A dot at each point. */
export function dots(points: ReadonlyArray<readonly [number, number]>, colour: string): string {
  return points
    .map(([x, y]) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="2.6" fill="${colour}"/>`)
    .join("");
}

/** An entry of the legend. */
export function swatch(text: string, colour: string, left: number, top: number): string {
  const mark = `<rect x="${left}" y="${top + 2}" width="14" height="4" fill="${colour}"/>`;
  return mark + textPath(text, left + 20, top, 1, ink.text);
}
