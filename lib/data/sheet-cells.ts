/**
 * Cells of contact sheets: pictures, slices and texts, all of one size.
 */
import sharp from "sharp";
import { textPath } from "../pictures/font.js";
import type { Cell } from "../pictures/mosaic.js";
import { greyLevel, percentileWindow, type Window } from "../pictures/windows.js";

/** Edge of a cell in pixels. */
export const CELL = 160;

const TEXT_SCALE = 1.5;
const LINE_CHARACTERS = 17;
const LINE_HEIGHT = 15;
const LINES = 10;

/** [height,width] grey levels or [height,width,3] colours, as large as fits. */
export async function pictureCell(
  pixels: Uint8Array,
  [height, width]: readonly [number, number],
): Promise<Cell> {
  const channels = pixels.length === height * width ? 1 : 3;
  const rgb = await sharp(pixels, { raw: { width, height, channels }, limitInputPixels: false })
    .resize(CELL, CELL, { fit: "contain", background: "#000000" })
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer();
  return { width: CELL, height: CELL, rgb: new Uint8Array(rgb) };
}

/** The words of a report, as many as have room. */
export async function textCell(text: string): Promise<Cell> {
  const lines: string[] = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) as string;
    const longer = last === "" ? word : `${last} ${word}`;
    if (longer.length <= LINE_CHARACTERS) lines[lines.length - 1] = longer;
    else lines.push(word.slice(0, LINE_CHARACTERS));
  }
  const paths = lines
    .slice(0, LINES)
    .map((line, i) => textPath(line, 4, 5 + i * LINE_HEIGHT, TEXT_SCALE, "#e4e4e7"));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${CELL}" height="${CELL}">${paths.join("")}</svg>`;
  const rgb = await sharp(Buffer.from(svg)).flatten({ background: "#27272a" }).raw().toBuffer();
  return { width: CELL, height: CELL, rgb: new Uint8Array(rgb) };
}

/** Slices of a volume [z,y,x], evenly from top to bottom; values outside the window are black or white. */
export async function sliceCells(
  voxels: ArrayLike<number>,
  [depth, height, width]: readonly [number, number, number],
  count: number,
  window: Window = percentileWindow(Float32Array.from(voxels), 1, 99),
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const z of spread(depth, count)) {
    const levels = new Uint8Array(height * width);
    for (let i = 0; i < levels.length; i++) {
      levels[i] = greyLevel(voxels[z * levels.length + i] as number, window);
    }
    cells.push(await pictureCell(levels, [height, width]));
  }
  return cells;
}

/** At most `most` of `count` numbers, evenly spread; the middle one where one is asked for. */
export function spread(count: number, most: number): number[] {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, i) => Math.floor(((2 * i + 1) * count) / (2 * shown)));
}
