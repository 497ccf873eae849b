/**
 * From an image's values to 8 bits, as the file says they are to be shown.
 */
import type { DecodedImage, Display } from "../formats/types.js";

type Values = DecodedImage["pixels"];

/** Least and greatest finite value, without those of pixels that were not exposed. */
export function extremes(values: Values, padding?: number): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value === padding || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Whether all finite values are equal. */
export function isConstant(values: Values): boolean {
  let first: number | undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    first ??= value;
    if (value !== first) return false;
  }
  return true;
}

/** From black to white over a range; what is outside takes the nearest end. */
function spread(values: Values, [low, high]: [number, number]): Uint8Array {
  const factor = 255 / (high - low);
  const out = new Uint8Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const level = Math.round(((values[i] as number) - low) * factor);
    out[i] = level > 0 ? Math.min(255, level) : 0;
  }
  return out;
}

function curve(values: Values, { center, width }: NonNullable<Display["window"]>): Uint8Array {
  const out = new Uint8Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const distance = ((values[i] as number) - center) / width;
    out[i] = Math.round(255 / (1 + Math.exp(-4 * distance)));
  }
  return out;
}

function byTable(values: Values, { first, values: levels }: NonNullable<Display["table"]>) {
  const [low, high] = extremes(levels);
  const shown = spread(levels, [low, high]);
  const out = new Uint8Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const at = Math.round(values[i] as number) - first;
    out[i] = shown[Math.max(0, Math.min(shown.length - 1, at))] as number;
  }
  return out;
}

function isFlat(levels: Uint8Array): boolean {
  return levels.every((level) => level === levels[0]);
}

/** The display's own grey levels; undefined where it has none, or they show nothing. */
function shown(values: Values, { window, table }: Display): Uint8Array | undefined {
  let levels: Uint8Array | undefined;
  if (table && table.values.length > 0) levels = byTable(values, table);
  else if (window?.shape === "sigmoid") levels = curve(values, window);
  else if (window) {
    const half = window.width / 2;
    levels = spread(values, [window.center - half, window.center + half]);
  }
  return levels && !isFlat(levels) ? levels : undefined;
}

/**
 * 8 bits per sample, black at 0. Without a window, values deeper than 8 bits are spread from the least to the greatest,
 * since files often use 10 or 12 bits of 16.
 */
export function toBytes({ pixels, display }: DecodedImage): Uint8Array {
  let levels = display && shown(pixels, display);
  if (!levels && pixels instanceof Uint8Array) levels = pixels;
  if (!levels) {
    const [low, high] = extremes(pixels, display?.padding);
    levels = spread(pixels, low < high ? [low, high] : extremes(pixels));
  }
  return display?.inverted ? levels.map((level) => 255 - level) : levels;
}
