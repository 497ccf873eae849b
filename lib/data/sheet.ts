/**
 * Contact sheets: what is in a store, or in one input file, as one PNG to look at.
 *
 * Invariant: a store's sheet has a row for each modality's training and validation records, evenly over each part.
 */
import { stat } from "node:fs/promises";
import { replaceFile } from "../files.js";
import { type Cell, mosaic } from "../pictures/mosaic.js";
import type { Window } from "../pictures/windows.js";
import { allocateView, type RecordView } from "./dataset.js";
import { chooseFormat, inspectOptions } from "./describe.js";
import { readSeriesFolder } from "./describe-series.js";
import { raster } from "./formats/raster.js";
import { isSlide, slideTiles } from "./formats/slide.js";
import type { DecodedVolume, Table } from "./formats/types.js";
import { toBytes } from "./preprocess/display.js";
import { CELL, pictureCell, sliceCells, spread, textCell } from "./sheet-cells.js";
import { openStore } from "./store.js";
import type { Store } from "./store-types.js";

/** Records in a row. */
const COLUMNS = 8;
/** Slices, tiles or rows of one file. */
const MOST_CELLS = 32;
/** Hounsfield units shown of records that hold them: lung, soft tissue and bone stay apart. */
const HOUNSFIELD: Window = [-1024, 400];

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

async function recordCell(
  store: Store,
  modality: string,
  { data, length }: RecordView,
): Promise<Cell> {
  const { kind, record } = store.info(modality);
  if (kind === "text") {
    const tokenizer = await store.tokenizer();
    return textCell(tokenizer?.decode(data.subarray(1, length - 1)) ?? "");
  }
  const [first = 1, second = 1, third = 1] = record.shape;
  if (kind === "image2d") return pictureCell(data as Uint8Array, [first, second]);
  const window = record.dtype === "i16" ? HOUNSFIELD : undefined;
  const [cell] = await sliceCells(data, [first, second, third], 1, window);
  return cell as Cell;
}

/** Writes the contact sheet of a store. */
export async function writeStoreSheet(path: string, file: string): Promise<void> {
  await using store = await openStore(path);
  const rows: Cell[][] = [];
  const labels: string[] = [];
  for (const modality of store.modalities) {
    for (const part of ["train", "validation"] as const) {
      const dataset = store.dataset(modality, part);
      if (dataset.length === 0) continue;
      const cells: Cell[] = [];
      for (const index of spread(dataset.length, COLUMNS)) {
        const view = allocateView(dataset.record);
        await dataset.read(index, view);
        cells.push(await recordCell(store, modality, view));
      }
      rows.push(cells);
      labels.push(`${modality} ${part}`);
    }
  }
  const columns = range(COLUMNS).map((i) => String(i + 1));
  await replaceFile(file, await mosaic(rows, columns, labels));
}

async function tableCells(table: Table): Promise<Cell[]> {
  const cells: Cell[] = [];
  for await (const row of table.rows()) {
    cells.push(await textCell(Object.values(row).join(" ")));
    if (cells.length === COLUMNS) break;
  }
  return cells;
}

const volumeCells = ({ voxels, shape }: DecodedVolume) => sliceCells(voxels, shape, MOST_CELLS);

async function slideCells(path: string): Promise<Cell[]> {
  const cells: Cell[] = [];
  const tiles = slideTiles(path, { size: CELL, tissue: 0.5, mostTiles: MOST_CELLS });
  for await (const { image } of tiles) cells.push(await pictureCell(toBytes(image), [CELL, CELL]));
  return cells;
}

async function fileCells(path: string): Promise<Cell[]> {
  const options = inspectOptions();
  if ((await stat(path)).isDirectory()) {
    const found = await readSeriesFolder(path, options);
    if (found) return volumeCells(found.volume);
  }
  const format = await chooseFormat(path);
  if (format === raster && (await isSlide(path))) return slideCells(path);
  if (format.kind === "text") return tableCells(await format.decode(path, options));
  if (format.kind === "volume3d") return volumeCells(await format.decode(path, options));
  const image = await format.decode(path, options);
  return [await pictureCell(toBytes(image), [image.height, image.width])];
}

/** Writes the contact sheet of an input file or of a folder of DICOM series: slices, tissue tiles, texts or the picture. */
export async function writeFileSheet(path: string, file: string): Promise<void> {
  const cells = await fileCells(path);
  const width = Math.min(COLUMNS, cells.length);
  const rows = range(Math.ceil(cells.length / width)).map((i) =>
    cells.slice(i * width, (i + 1) * width),
  );
  const columns = range(width).map((i) => String(i + 1));
  await replaceFile(file, await mosaic(rows, columns));
}
