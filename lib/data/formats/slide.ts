/**
 * Whole slides (.svs and other tiled TIFF) as tissue tiles: a mask by Otsu's threshold on the saturation of a small
 * picture of the slide, then tiles of the full one, decoded one by one.
 */
import sharp from "sharp";
import { MedcossError } from "../../errors.js";
import { readTiffTags } from "./tiff-tags.js";
import { type DecodedImage, decoding } from "./types.js";

export interface SlideOptions {
  /** Edge of a tile at the wanted magnification, in pixels. */
  size: number;
  magnification?: number;
  /** Least share of a tile that is tissue. */
  tissue: number;
  mostTiles: number;
}

export interface SlideTile {
  /** Left and top in the slide, in pixels. */
  at: [number, number];
  image: DecodedImage;
}

interface Mask {
  tissue: Uint8Array;
  width: number;
  height: number;
}

const NAME = "TIFF";
const MASK_EDGE = 1024;
/** Without a smaller level the whole slide is decoded for the mask. */
const MOST_PIXELS = 2 ** 28;

const open = (path: string, page: number) =>
  sharp(path, { page, failOn: "warning", limitInputPixels: false });

/** Otsu's threshold of values from 0 to 255. */
export function otsu(values: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const value of values) counts[value] = (counts[value] as number) + 1;
  return thresholdOf(counts, values.length);
}

function thresholdOf(counts: Float64Array, total: number): number {
  const sum = counts.reduce((a, n, value) => a + n * value, 0);
  let [below, sumBelow, best, threshold] = [0, 0, -1, 0];
  for (let value = 0; value < 255; value++) {
    below += counts[value] as number;
    sumBelow += (counts[value] as number) * value;
    const above = total - below;
    if (below === 0 || above === 0) continue;
    const between = below * above * (sumBelow / below - (sum - sumBelow) / above) ** 2;
    if (between > best) [best, threshold] = [between, value];
  }
  return threshold;
}

/** The smallest page that shows the same as the first one and is large enough for the mask. */
async function maskPage(path: string, pages: number, width: number, height: number) {
  let [page, pixels] = [0, width * height];
  for (let i = 1; i < pages; i++) {
    const found = await open(path, i).metadata();
    const alike = Math.abs((found.width * height) / (found.height * width) - 1) < 0.02;
    if (!alike || found.width < MASK_EDGE / 4 || found.width * found.height >= pixels) continue;
    [page, pixels] = [i, found.width * found.height];
  }
  if (pixels > MOST_PIXELS) {
    const limits = { claimed: `${pixels} pixels without a smaller level`, limit: MOST_PIXELS };
    throw new MedcossError("E_FILE_TOO_LARGE", limits);
  }
  return page;
}

async function tissueMask(path: string, page: number): Promise<Mask> {
  const { data, info } = await open(path, page)
    .resize(MASK_EDGE, MASK_EDGE, { fit: "inside", withoutEnlargement: true })
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const saturation = new Uint8Array(info.width * info.height);
  for (let i = 0; i < saturation.length; i++) {
    const [r, g, b] = [data[3 * i], data[3 * i + 1], data[3 * i + 2]] as [number, number, number];
    const most = Math.max(r, g, b);
    saturation[i] = most === 0 ? 0 : Math.round((255 * (most - Math.min(r, g, b))) / most);
  }
  const threshold = otsu(saturation);
  const tissue = saturation.map((value) => (value > threshold ? 1 : 0));
  return { tissue, width: info.width, height: info.height };
}

function shareOf({ tissue, width }: Mask, box: [number, number, number, number]): number {
  const [left, top, right, bottom] = box;
  let found = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) found += tissue[y * width + x] as number;
  }
  return found / Math.max(1, (right - left) * (bottom - top));
}

/** Places of tiles with enough tissue, row by row. */
function places(mask: Mask, width: number, height: number, edge: number, least: number) {
  const found: Array<[number, number]> = [];
  const [sx, sy] = [mask.width / width, mask.height / height];
  for (let top = 0; top + edge <= height; top += edge) {
    for (let left = 0; left + edge <= width; left += edge) {
      const right = Math.max(Math.floor(left * sx) + 1, Math.round((left + edge) * sx));
      const bottom = Math.max(Math.floor(top * sy) + 1, Math.round((top + edge) * sy));
      const box = [Math.floor(left * sx), Math.floor(top * sy), right, bottom] as const;
      if (shareOf(mask, [...box]) >= least) found.push([left, top]);
    }
  }
  return found;
}

/** At most `most` of them, evenly over the slide. */
function thin<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)] as T);
}

/** Whether a TIFF is a slide and not a picture. */
export async function isSlide(path: string): Promise<boolean> {
  return (await readTiffTags(path)).tiled;
}

async function cutTile(path: string, at: [number, number], edge: number): Promise<DecodedImage> {
  const { data } = await open(path, 0)
    .extract({ left: at[0], top: at[1], width: edge, height: edge })
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { kind: "image2d", pixels: data, height: edge, width: edge, channels: 3, dtype: "uint8" };
}

/** Where the tiles of a slide lie, and their edge in its pixels. */
async function findTiles(path: string, options: SlideOptions) {
  const { width, height, pages = 1 } = await open(path, 0).metadata();
  const { magnification: own } = await readTiffTags(path);
  const { size, magnification: wanted = own } = options;
  const edge = own && wanted ? Math.max(1, Math.round((size * own) / wanted)) : size;
  const mask = await tissueMask(path, await maskPage(path, pages, width, height));
  const found = places(mask, width, height, edge, options.tissue);
  if (found.length === 0) throw new MedcossError("E_FILE_CONTENT", { problem: "no tissue" });
  return { edge, found: thin(found, options.mostTiles) };
}

/** The tissue tiles of a slide; throws E_FILE_CONTENT for one without tissue. */
export async function* slideTiles(path: string, options: SlideOptions): AsyncGenerator<SlideTile> {
  const { edge, found } = await decoding(NAME, path, () => findTiles(path, options));
  for (const at of found) {
    yield { at, image: await decoding(NAME, path, () => cutTile(path, at, edge)) };
  }
}
