/**
 * A grid of equally large pictures with labels above its columns and before its rows, as one PNG.
 *
 * Invariant: `mosaicSize` says where each cell lies; nothing is drawn over a cell.
 */
import sharp from "sharp";
import { textHeight, textPath, textWidth } from "./font.js";

/** Pixels of one cell, RGB, 8 bits. */
export interface Cell {
  width: number;
  height: number;
  rgb: Uint8Array;
}

const GAP = 4;
const LABEL_SCALE = 2;
const ROW_SCALE = 1.5;
const INK = "#e4e4e7";
const HEADER = textHeight(LABEL_SCALE) + 10;
const BACKGROUND = { r: 24, g: 24, b: 27 };

/** Room for the labels before the rows. */
function margin(rowLabels: readonly string[]): number {
  if (rowLabels.length === 0) return 0;
  return Math.ceil(Math.max(...rowLabels.map((label) => textWidth(label, ROW_SCALE)))) + 2 * GAP;
}

/** Size of the picture and place of a cell. */
export function mosaicSize(
  cell: { width: number; height: number },
  rows: number,
  columns: number,
  rowLabels: readonly string[] = [],
) {
  const start = margin(rowLabels) + GAP;
  return {
    width: start + columns * (cell.width + GAP),
    height: HEADER + rows * (cell.height + GAP),
    left: (column: number) => start + column * (cell.width + GAP),
    top: (row: number) => HEADER + row * (cell.height + GAP),
  };
}

type Place = ReturnType<typeof mosaicSize>;

/** Both kinds of labels, as a layer of the picture's size. */
function labelLayer(place: Place, cell: Cell, columns: readonly string[], rows: readonly string[]) {
  const above = columns.map((label, column) => {
    const left = place.left(column) + (cell.width - textWidth(label, LABEL_SCALE)) / 2;
    return textPath(label, Math.max(0, Math.round(left)), 5, LABEL_SCALE, INK);
  });
  const before = rows.map((label, row) => {
    const top = place.top(row) + (cell.height - textHeight(ROW_SCALE)) / 2;
    return textPath(label, GAP, Math.round(top), ROW_SCALE, INK);
  });
  const size = `width="${place.width}" height="${place.height}"`;
  const paths = [...above, ...before].join("");
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" ${size}>${paths}</svg>`);
}

/** The PNG of rows of cells, all of one size; `columns` names the columns and `rowLabels`, if given, the rows. */
export async function mosaic(
  rows: readonly Cell[][],
  columns: readonly string[],
  rowLabels: readonly string[] = [],
): Promise<Buffer> {
  const first = rows[0]?.[0] as Cell;
  const place = mosaicSize(first, rows.length, columns.length, rowLabels);
  const cells = rows.flatMap((row, i) =>
    row.map((cell, j) => ({
      input: Buffer.from(cell.rgb.buffer, cell.rgb.byteOffset, cell.rgb.length),
      raw: { width: cell.width, height: cell.height, channels: 3 as const },
      left: place.left(j),
      top: place.top(i),
    })),
  );
  const canvas = {
    width: place.width,
    height: place.height,
    channels: 3 as const,
  };
  return sharp({ create: { ...canvas, background: BACKGROUND } })
    .composite([{ input: labelLayer(place, first, columns, rowLabels), left: 0, top: 0 }, ...cells])
    .removeAlpha()
    .png({ compressionLevel: 9 })
    .toBuffer();
}
