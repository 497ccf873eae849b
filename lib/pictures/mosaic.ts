/**
 * A grid of equally large pictures with labels above its columns, as one PNG.
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
const HEADER = textHeight(LABEL_SCALE) + 10;
const BACKGROUND = { r: 24, g: 24, b: 27 };

/** Size of the picture and place of a cell. */
export function mosaicSize(cell: { width: number; height: number }, rows: number, columns: number) {
  return {
    width: columns * cell.width + (columns + 1) * GAP,
    height: HEADER + rows * (cell.height + GAP),
    left: (column: number) => GAP + column * (cell.width + GAP),
    top: (row: number) => HEADER + row * (cell.height + GAP),
  };
}

function header(labels: readonly string[], cellWidth: number, width: number): Buffer {
  const paths = labels.map((label, column) => {
    const left = GAP + column * (cellWidth + GAP) + (cellWidth - textWidth(label, LABEL_SCALE)) / 2;
    return textPath(label, Math.max(0, Math.round(left)), 5, LABEL_SCALE, "#e4e4e7");
  });
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEADER}">`;
  return Buffer.from(`${open}${paths.join("")}</svg>`);
}

/** The PNG of rows of cells, all of one size; `labels` names the columns. */
export async function mosaic(rows: readonly Cell[][], labels: readonly string[]): Promise<Buffer> {
  const first = rows[0]?.[0] as Cell;
  const place = mosaicSize(first, rows.length, labels.length);
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
    .composite([{ input: header(labels, first.width, place.width), left: 0, top: 0 }, ...cells])
    .removeAlpha()
    .png({ compressionLevel: 9 })
    .toBuffer();
}
