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

const MARGIN = { left: 52, right: 44, top: 28, bottom: 30 } as const;

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
  if (values.length === 0) return [0, 1];
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

/** A panel's place in the picture, in pixels. */
export interface Panel {
  left: number;
  top: number;
  width: number;
  height: number;
}

const inner = (panel: Panel) => ({
  width: panel.width - MARGIN.left - MARGIN.right,
  height: panel.height - MARGIN.top - MARGIN.bottom,
});

const scaled = ({ top }: Panel, height: number, values: readonly number[]) => {
  const [low, high] = padded(values);
  const y = (value: number) => top + MARGIN.top + height * (1 - (value - low) / (high - low));
  return { levels: ticks(low, high), y };
};

/** Axes of a panel: x from 0 to the largest value, y over the range of the values. */
export function axes(panel: Panel, values: { x: readonly number[]; y: readonly number[] }): Axes {
  const { left, top } = panel;
  const { width, height } = inner(panel);
  const last = Math.max(1, ...values.x);
  const x = (value: number) => left + MARGIN.left + (width * value) / last;
  const { levels, y } = scaled(panel, height, values.y);
  const lines = levels.map((value) => {
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
  return { x, y, svg: [...lines, ...steps].join("") };
}

/** A second scale on the right of a panel, for values of another kind, with numbers in their colour. */
export function rightAxis(panel: Panel, values: readonly number[], colour: string) {
  const { width, height } = inner(panel);
  const { levels, y } = scaled(panel, height, [0, ...values]);
  const at = panel.left + MARGIN.left + width + 5;
  const svg = levels
    .map((value) => textPath(label(value), at, Math.round(y(value)) - 3, 1, colour))
    .join("");
  return { y, svg };
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
export function dots(
  points: ReadonlyArray<readonly [number, number]>,
  colour: string,
  radius = 2.6,
): string {
  return points
    .map(
      ([x, y]) =>
        `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius}" fill="${colour}"/>`,
    )
    .join("");
}

/** From the mark of an entry of the legend to its text. */
const SWATCH = 20;

/** An entry of the legend. */
export function swatch(text: string, colour: string, left: number, top: number): string {
  const mark = `<rect x="${left}" y="${top + 2}" width="14" height="4" fill="${colour}"/>`;
  return mark + textPath(text, left + SWATCH, top, 1, ink.text);
}

/** Pixels that an entry takes. */
export function swatchWidth(text: string): number {
  return SWATCH + textWidth(text, 1);
}
