/**
 * Valid files that the fuzz targets change, each small. The first name of a seed is the file to decode.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { dicomBytes, type Elements, imageElements, sliceElements } from "../helpers/dicom.js";
import { niftiBytes } from "../helpers/nifti.js";
import { packageRoot } from "../helpers/package-root.js";

/** Files by name. */
export type Seed = Map<string, Buffer>;

const fixture = (name: string) => readFileSync(join(packageRoot, "test/fixtures", name));
const one = (name: string, bytes: Buffer | string): Seed => new Map([[name, Buffer.from(bytes)]]);

const rows = (separator: string) =>
  [
    ["case", "findings", "impression"],
    ...[1, 2, 3].map((n) => [`p${n}`, `"Lungs ${n}\nare ""clear""."`, "No é effusion"]),
  ]
    .map((row) => row.join(separator))
    .join("\r\n");

const tables: Record<string, () => Seed[]> = {
  csv: () => [one("a.csv", `\ufeff${rows(",")}`), one("b.csv", Buffer.from(rows(";"), "latin1"))],
  tsv: () => [
    one("a.tsv", rows("\t")),
    one("b.tsv", Buffer.from(`\ufeff${rows("\t")}`, "utf16le")),
  ],
  jsonl: () => [
    one("a.jsonl", '{"findings":"clear","n":3}\n\n{"findings":"heart \\u00e9","x":[1,{}]}\n'),
  ],
  parquet: () =>
    ["none", "snappy", "gzip", "zstd"].map((name) =>
      one(`${name}.parquet`, fixture(`reports/${name}.parquet`)),
    ),
  txt: () => [
    one("a.txt", "The lungs are clear.\nNo effusion."),
    one("b.txt", "Herz normal groß."),
  ],
};

const noise = (bytes: number) =>
  Buffer.from(
    Array.from({ length: bytes }, (_, i) => ((i * i) >> 3) ^ (i * 7)).map((v) => v & 255),
  );
const picture = (width: number, height: number, channels: 1 | 3 | 4) =>
  sharp(noise(width * height * channels), { raw: { width, height, channels } });

async function encoded(name: string, images: Sharp[]): Promise<Seed[]> {
  const files = await Promise.all(images.map((image) => image.toBuffer()));
  return files.map((bytes, i) => one(`${i}.${name}`, bytes));
}

/** 512 x 512, red tissue on white. */
function slidePicture(): Sharp {
  const pixels = Buffer.alloc(512 * 512 * 3, 250);
  for (let y = 64; y < 320; y++) {
    for (let x = 64; x < 320; x++) pixels.set([200, 20, x >> 1], 3 * (y * 512 + x));
  }
  return sharp(pixels, { raw: { width: 512, height: 512, channels: 3 } });
}

const tile = { tile: true, tileWidth: 128, tileHeight: 128 };

const images: Record<string, () => Promise<Seed[]>> = {
  jpeg: () =>
    encoded("jpg", [
      picture(40, 30, 3).jpeg(),
      picture(40, 30, 1).jpeg({ progressive: true }),
      picture(40, 30, 3).jpeg().withMetadata({ orientation: 6 }),
    ]),
  png: () =>
    encoded("png", [
      picture(40, 30, 3).png(),
      picture(40, 30, 1).toColourspace("grey16").png(),
      picture(40, 30, 4).png(),
      picture(40, 30, 3).png({ palette: true }),
    ]),
  tiff: () =>
    encoded("tif", [
      picture(40, 30, 3).tiff({ compression: "lzw" }),
      picture(40, 30, 1).toColourspace("grey16").tiff({ compression: "deflate" }),
      picture(64, 64, 3).tiff({ compression: "jpeg" }),
      picture(40, 30, 3).tiff({ compression: "none", bigtiff: true }),
    ]),
  slide: () =>
    encoded("svs", [
      slidePicture().tiff({ ...tile, compression: "lzw", pyramid: true }),
      slidePicture().tiff({ ...tile, compression: "jpeg", bigtiff: true }),
    ]),
};

const image = (changes: Elements = {}, big = false) =>
  imageElements(
    12,
    10,
    (x, y) => 100 * x + y,
    { "00281050DS": 400, "00281051DS": 900, ...changes },
    big,
  );
const codings = (coding: string) => () =>
  ["u8", "u12", "s12", "u16", "rgb"].flatMap((depth) => {
    try {
      return [one(`${depth}.dcm`, fixture(`dicom/${depth}-${coding}.dcm`))];
    } catch {
      return [];
    }
  });

/** Three frames in one file, each with a place of its own. */
function multiFrame(): Buffer {
  const frame = (z: number) => ({ "00209113SQ": [{ "00200032DS": [0, 0, 3 * z] }] });
  const shared = {
    "00209116SQ": [{ "00200037DS": [1, 0, 0, 0, 1, 0] }],
    "00289110SQ": [{ "00280030DS": [0.5, 0.5], "00180050DS": 3 }],
  };
  const pixels = noise(2 * 12 * 10 * 3);
  return dicomBytes(
    image({
      ...{ "00280008IS": 3, "52009229SQ": [shared], "52009230SQ": [0, 1, 2].map(frame) },
      "7FE00010OW": pixels,
    }),
  );
}

const dicom: Record<string, () => Seed[]> = {
  "dicom-explicit": () => [
    one("a.dcm", dicomBytes(image())),
    one("b", dicomBytes(image(), "explicit", true)),
  ],
  "dicom-implicit": () => [one("a.dcm", dicomBytes(image(), "implicit"))],
  "dicom-big": () => [one("a.dcm", dicomBytes(image({}, true), "big"))],
  "dicom-deflated": () => [one("a.dcm", dicomBytes(image(), "deflated"))],
  "dicom-rle": codings("rle"),
  "dicom-jpeg": codings("jpeg"),
  "dicom-ljpeg": codings("ljpeg"),
  "dicom-jls": codings("jls"),
  "dicom-j2k": codings("j2k"),
  "dicom-frames": () => [one("a.dcm", multiFrame())],
  series: () => [
    new Map([0, 1, 2, 3].map((i) => [`${i}.dcm`, dicomBytes(sliceElements(i))] as const)),
  ],
};

const nii = (version: 1 | 2, bigEndian = false) => {
  const sform = [0, 1, 2].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 1.5 : 0)));
  return niftiBytes({ dims: [6, 5, 4], version, bigEndian, sform, slope: 2 });
};

function niftiPair(): Seed {
  const whole = nii(1);
  const head = Buffer.from(whole.subarray(0, 348));
  head.write("ni1\0", 344);
  head.writeFloatLE(0, 108);
  return new Map([
    ["v.hdr", head],
    ["v.img", whole.subarray(352)],
  ]);
}

const voxels = Buffer.from(Int16Array.from({ length: 24 }, (_, n) => n).buffer);
const nrrd = (encoding: string, data: Buffer) =>
  Buffer.concat([
    Buffer.from(
      `NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 2\nspace directions: (0.5,0,0) (0,0.75,0) (0,0,3)\nendian: little\nencoding: ${encoding}\n\n`,
    ),
    data,
  ]);
const meta = (packed: string, data: Buffer) =>
  Buffer.concat([
    Buffer.from(
      `ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementSpacing = 0.5 0.75 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nElementType = MET_SHORT\nCompressedData = ${packed}\nElementDataFile = LOCAL\n`,
    ),
    data,
  ]);

async function hdf5Seed(): Promise<Seed[]> {
  const { File, ready } = await import("h5wasm/node");
  await ready;
  const folder = await mkdtemp(join(tmpdir(), "medcoss-seed-"));
  const path = join(folder, "a.h5");
  const file = new File(path, "w");
  const data = Float32Array.from({ length: 60 }, (_, n) => n);
  file.create_dataset({ name: "image", data, shape: [5, 4, 3], dtype: "<f" });
  const packed = { name: "label", data, shape: [5, 4, 3], dtype: "<f", chunks: [5, 4, 3] };
  file.create_dataset({ ...packed, compression: 4 });
  file.close();
  const bytes = await readFile(path);
  await rm(folder, { recursive: true });
  return [one("a.h5", bytes)];
}

const volumes: Record<string, () => Seed[] | Promise<Seed[]>> = {
  nifti: () => [one("a.nii", nii(1)), one("b.nii", nii(2)), one("c.nii", nii(1, true))],
  "nifti-gz": () => [one("a.nii.gz", gzipSync(nii(1))), one("b.nii.gz", gzipSync(nii(2)))],
  "nifti-pair": () => [niftiPair()],
  nrrd: () => [
    one("a.nrrd", nrrd("raw", voxels)),
    one("b.nrrd", nrrd("gzip", gzipSync(voxels))),
    one("c.nrrd", nrrd("ascii", Buffer.from([...voxels].join(" ")))),
  ],
  metaimage: () => [
    one("a.mha", meta("False", voxels)),
    one("b.mha", meta("True", deflateSync(voxels))),
  ],
  hdf5: hdf5Seed,
};

/** The seeds of each target. */
export const seeds: Record<string, () => Seed[] | Promise<Seed[]>> = {
  ...tables,
  ...images,
  ...dicom,
  ...volumes,
};
