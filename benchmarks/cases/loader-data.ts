/**
 * Generated files of the loader case, and stores packed from them by this package.
 *
 * Invariant: everything follows from a formula; a peer reads the files, this package the store.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { pack } from "../../lib/data/pack/index.js";
import { generateStore } from "../../test/helpers/generated-store.js";
import { writeNifti } from "../../test/helpers/nifti.js";
import { TEXT_LENGTH, VOLUME } from "./inputs.js";

export interface Files {
  /** Folder of the peer's files. */
  files: string;
  store: string;
  modality: string;
}

/** Files that are there once they are asked for. */
export interface Made<Of extends Files = Files> {
  files: Of;
  make(): Promise<void>;
}

/** Whoever asks first waits for the making, and nothing is made twice. */
function lazily<Of extends Files>(files: Of, work: () => Promise<void>): Made<Of> {
  let making: Promise<void> | undefined;
  return {
    files,
    make: () => {
      making ??= work();
      return making;
    },
  };
}

const QUALITY = 90;
/** Files beyond so many repeat earlier ones. */
const DISTINCT = 512;
const DISTINCT_LARGE = 32;

/** Noise in [0,1). */
function noise(n: number): number {
  const mixed = Math.imul((n + 1) ^ (n >>> 15), 0x9e3779b1);
  return (Math.imul(mixed ^ (mixed >>> 13), 0x85ebca6b) >>> 8) * 2 ** -24;
}

/** Smooth shadows under fine noise, as in a radiograph. */
function picture(number: number, height: number, width: number, channels: 1 | 3): Buffer {
  const pixels = Buffer.alloc(height * width * channels);
  const [a, b] = [6 + 3 * (number % 5), 9 + 3 * (number % 7)];
  const across = Float64Array.from({ length: width * channels }, (_, i) =>
    Math.sin((a * Math.floor(i / channels)) / width + number),
  );
  for (let i = 0, y = 0; y < height; y++) {
    const down = Math.cos((b * y) / height);
    for (let x = 0; x < across.length; x++, i++) {
      const shade = 120 + 80 * (across[x] as number) * down + (x % channels) * 16;
      pixels[i] = shade + 12 * noise(i + number * 7919);
    }
  }
  return pixels;
}

async function writeJpegs(
  folder: string,
  count: number,
  distinct: number,
  [height, width, channels]: readonly [number, number, 1 | 3],
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const path = (i: number) => join(folder, `image${String(i).padStart(5, "0")}.jpg`);
  for (let i = 0; i < Math.min(count, distinct); i++) {
    const image = sharp(picture(i, height, width, channels), { raw: { width, height, channels } });
    // As scanners write grey images: of one component.
    if (channels === 1) image.toColourspace("b-w");
    await image.jpeg({ quality: QUALITY }).toFile(path(i));
  }
  for (let i = distinct; i < count; i++) copyFileSync(path(i % distinct), path(i));
}

/** JPEGs of the size in which the published loader reads them, and their store. */
export function imageFiles(folder: string, modality: "xray" | "pathology", count: number): Made {
  const [files, store] = [join(folder, modality), join(folder, `${modality}-store`)];
  return lazily({ files, store, modality }, async () => {
    await writeJpegs(files, count, DISTINCT, [224, 224, modality === "xray" ? 1 : 3]);
    await pack({ out: store, sources: [{ modality, recipe: modality, path: files }] });
  });
}

interface OriginalKind {
  height: number;
  width: number;
  channels: 1 | 3;
  count: number;
  /** Whether twice a record's edge is left at a half of the size. */
  shrinks: boolean;
}

export interface Originals extends OriginalKind, Files {}

/** Radiographs as they come from a scanner and as they are published, and tiles of slides. */
export const originalKinds: readonly OriginalKind[] = [
  { height: 2500, width: 2048, channels: 1, count: 384, shrinks: true },
  { height: 1024, width: 1024, channels: 1, count: 1024, shrinks: true },
  { height: 512, width: 512, channels: 3, count: 1536, shrinks: false },
  { height: 224, width: 224, channels: 3, count: 4096, shrinks: false },
];
const QUICK_COUNT = 32;

/** JPEGs of one kind, not packed. */
export function originalFiles(folder: string, kind: OriginalKind, quick: boolean): Made<Originals> {
  const { height, width, channels } = kind;
  const count = quick ? QUICK_COUNT : kind.count;
  const name = `${height}x${width}`;
  const [files, store] = [join(folder, name), join(folder, `${name}-store`)];
  const modality = channels === 1 ? "xray" : "pathology";
  return lazily({ ...kind, count, files, store, modality }, () =>
    writeJpegs(files, count, DISTINCT_LARGE, [height, width, channels]),
  );
}

/** Tiles as the published code keeps them, each a .nii.gz, and the same in a store. */
export function volumeFiles(folder: string, count: number): Made {
  const [files, store] = [join(folder, "volumes"), join(folder, "volumes-store")];
  return lazily({ files, store, modality: "ct" }, () => writeVolumes({ files, store }, count));
}

async function writeVolumes(
  { files, store }: Pick<Files, "files" | "store">,
  count: number,
): Promise<void> {
  const [depth, height, width] = VOLUME;
  mkdirSync(files, { recursive: true });
  const value = (record: number, place: number) => {
    const [y, x] = [Math.floor(place / width) % height, place % width];
    const body = (y - 96) ** 2 + (x - 96) ** 2 < 80 ** 2;
    return body ? Math.round(40 + 25 * noise(place + record * 104_729)) : -1000;
  };
  for (let i = 0; i < count; i++) {
    writeNifti(join(files, `tile${String(i).padStart(4, "0")}.nii.gz`), {
      dims: [width, height, depth],
      value: (x, y, z) => value(i, (z * height + y) * width + x),
    });
  }
  const record = { dtype: "i16" as const, shape: [...VOLUME], scale: 1 / 1024, offset: 0 };
  await generateStore(store, "ct", { kind: "volume3d", record, count }, value);
}

/** Reports of 40 to 112 tokens. */
export function textStore(folder: string, count: number): Made {
  const store = join(folder, "text-store");
  const record = { dtype: "i32" as const, shape: [TEXT_LENGTH] };
  const length = (i: number) => 40 + ((i * 31) % 73);
  const value = (i: number, place: number) =>
    place < length(i) ? 1000 + Math.floor(20_000 * noise(i * 128 + place)) : 0;
  return lazily({ files: "", store, modality: "report" }, () =>
    generateStore(store, "report", { kind: "text", record, count }, value, length),
  );
}
