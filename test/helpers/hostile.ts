/**
 * Files as archives should not have them and do, one folder for each modality, each with the code that it has to be
 * rejected with; `good` is what lies among them and has to come through.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import sharp from "sharp";
import { dicomBytes, type Elements, imageElements, sliceElements } from "./dicom.js";
import { type NiftiOptions, niftiBytes } from "./nifti.js";

export interface Hostile {
  path: string;
  /** Code by relative path; a series by its folder. */
  bad: Record<string, string>;
  good: number;
}

type Files = Record<string, [content: Buffer | string, code?: string]>;

function write(path: string, files: Files): Hostile {
  const bad: Record<string, string> = {};
  let good = 0;
  for (const [name, [content, code]] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
    if (code) bad[name] = code;
    else good++;
  }
  return { path, bad, good };
}

const random = randomBytes(3000);
const text = "FINDINGS: The lungs are clear, though this is no picture.";

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A grey PNG that claims a size and has the pixels `packed`. */
function png(width: number, height: number, packed: Buffer): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    magic,
    chunk("IHDR", head),
    chunk("IDAT", packed),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A tiled TIFF without a pixel, of a size that only its header has. */
function hugeTiff(width: number, height: number): Buffer {
  const tags: Array<[tag: number, type: number, count: number, value: number]> = [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, 1, 8],
    [259, 3, 1, 1],
    [262, 3, 1, 1],
    [277, 3, 1, 1],
    [322, 4, 1, 256],
    [323, 4, 1, 256],
    [324, 4, 1, 8],
    [325, 4, 1, 65_536],
  ];
  const out = Buffer.alloc(8 + 2 + 12 * tags.length + 4 + 65_536);
  out.write("II*\0", "latin1");
  out.writeUInt32LE(8, 4);
  out.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, type, count, value], i) => {
    const at = 10 + 12 * i;
    out.writeUInt16LE(tag, at);
    out.writeUInt16LE(type, at + 2);
    out.writeUInt32LE(count, at + 4);
    if (type === 3) out.writeUInt16LE(value, at + 8);
    else out.writeUInt32LE(value, at + 8);
  });
  return out;
}

const noise = Buffer.from(Array.from({ length: 48 * 40 * 4 }, (_, i) => ((i * i) >> 4) & 255));
const picture = (channels: 1 | 3 | 4) =>
  sharp(noise.subarray(0, 48 * 40 * channels), { raw: { width: 48, height: 40, channels } });
const radiograph = (changes: Elements = {}) => imageElements(6, 4, (x, y) => 100 * x + y, changes);

/** Unpacks to a thousand times its size: the elements of an image, then one of `megabytes`. */
function deflateBomb(megabytes: number): Buffer {
  const good = dicomBytes(radiograph(), "explicit");
  const start = good.indexOf("1.2.840.10008.1.2.1\0") + 20;
  const head = dicomBytes({}, "deflated");
  const element = Buffer.alloc(12);
  element.writeUInt16LE(0x7fe1, 0);
  element.writeUInt16LE(0x0010, 2);
  element.write("OB", 4);
  element.writeUInt32LE(megabytes * 2 ** 20, 8);
  const body = Buffer.concat([good.subarray(start), element, Buffer.alloc(megabytes * 2 ** 20)]);
  const empty = deflateRawSync(Buffer.alloc(0)).length;
  return Buffer.concat([head.subarray(0, head.length - empty), deflateRawSync(body, { level: 1 })]);
}

/** X-ray: pictures and DICOM. `damaged` is a file with a compressed frame. */
export async function hostileImages(folder: string, damaged: Buffer): Promise<Hostile> {
  const jpeg = await picture(3).jpeg({ quality: 95 }).toBuffer();
  const deep = Buffer.from(Uint16Array.from({ length: 1920 }, (_, i) => i * 30).buffer);
  const frame = damaged.indexOf("fffee000", damaged.indexOf("e07f1000", "hex"), "hex");
  const torn = Buffer.from(damaged);
  torn.fill(0x5a, frame > 0 ? frame + 64 : torn.length - 200, torn.length - 20);
  return write(folder, {
    "empty.png": ["", "E_FILE_CONTENT"],
    "one-byte.png": ["\x89", "E_FILE_FORMAT"],
    "text.jpg": [text, "E_FILE_FORMAT"],
    "random.png": [random, "E_FILE_FORMAT"],
    "no-ending": [random.fill(1, 0, 4), "E_FILE_UNSUPPORTED"],
    "half.jpg": [jpeg.subarray(0, jpeg.length >> 1), "E_FILE_FORMAT"],
    "head-only.png": [(await picture(3).png().toBuffer()).subarray(0, 40), "E_FILE_FORMAT"],
    "60000x60000.png": [png(60_000, 60_000, deflateSync(Buffer.alloc(1000))), "E_FILE_TOO_LARGE"],
    "most.png": [png(2 ** 31 - 1, 2 ** 31 - 1, deflateSync(Buffer.alloc(9))), "E_FILE_"],
    "no-pixels.png": [png(0, 0, deflateSync(Buffer.alloc(9))), "E_FILE_FORMAT"],
    "bomb.png": [png(11_000, 11_000, deflateSync(Buffer.alloc(11_000 * 11_001))), "E_FILE_CONTENT"],
    "huge.tif": [hugeTiff(60_000, 60_000), "E_FILE_TOO_LARGE"],
    "webp.png": [await picture(3).webp().toBuffer(), "E_FILE_UNSUPPORTED"],
    "svg.png": ['<svg xmlns="http://www.w3.org/2000/svg"/>', "E_FILE_"],
    "constant.png": [
      await sharp(png(8, 8, deflateSync(Buffer.alloc(72))))
        .png()
        .toBuffer(),
      "E_FILE_CONTENT",
    ],
    "volume.png": [niftiBytes({ dims: [4, 4, 4] }), "E_FILE_UNSUPPORTED"],
    "damaged-frame.dcm": [torn, "E_FILE_FORMAT"],
    "65535.dcm": [
      dicomBytes(radiograph({ "00280010US": 65_535, "00280011US": 65_535 })),
      "E_FILE_TOO_LARGE",
    ],
    "short.dcm": [dicomBytes(radiograph({ "00280010US": 400 })), "E_FILE_FORMAT"],
    "frames.dcm": [dicomBytes(radiograph({ "00280008IS": 9 })), "E_FILE_UNSUPPORTED"],
    "endless.dcm": [deflateBomb(300), "E_FILE_TOO_LARGE"],
    "preamble.dcm": [Buffer.concat([Buffer.alloc(128), Buffer.from("DICM")]), "E_FILE_"],
    "good/16.png": [
      await sharp(deep, { raw: { width: 48, height: 40, channels: 1 } })
        .toColourspace("grey16")
        .png()
        .toBuffer(),
    ],
    "good/palette.png": [await picture(3).png({ palette: true }).toBuffer()],
    "good/alpha.png": [await picture(4).png().toBuffer()],
    "good/turned.jpg": [await picture(3).jpeg().withMetadata({ orientation: 8 }).toBuffer()],
    "good/a.tiff": [await picture(1).tiff({ compression: "lzw" }).toBuffer()],
    "good/inverted": [dicomBytes(radiograph({ "00280004CS": "MONOCHROME1" }))],
    "good/\u{1f600} a'b\"c\n.png": [await picture(1).png().toBuffer()],
    [`good/${"deep/".repeat(60)}a.png`]: [await picture(1).png().toBuffer()],
  });
}

const identity = [0, 1, 2].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 1 : 0)));
const scan = (changes: Partial<NiftiOptions> = {}) =>
  niftiBytes({
    dims: [8, 8, 20],
    sform: identity,
    value: (i, j, k) => 10 * i - 20 * j + k,
    ...changes,
  });

function series(name: string, code: string | undefined, slices: Array<[number, Elements]>): Files {
  const uid = { "0020000EUI": `1.2.826.0.1.9.${[...name].map((c) => c.charCodeAt(0)).join("")}` };
  return Object.fromEntries(
    slices.map(([i, changes], n) => {
      return [
        `${name}/${n}`,
        [dicomBytes(sliceElements(i, { ...uid, ...changes })), n === 0 ? code : "-"],
      ];
    }),
  );
}

/** CT: NIfTI and series. */
export function hostileVolumes(folder: string): Hostile {
  const huge = Buffer.from(scan());
  for (const axis of [1, 2, 3]) huge.writeInt16LE(32_767, 40 + 2 * axis);
  const zeros = niftiBytes({
    dims: [512, 512, 256],
    sform: identity,
    type: "uint8",
    value: () => 0,
  });
  const packed = gzipSync(scan());
  const slices = (...numbers: number[]) => numbers.map((i): [number, Elements] => [i, {}]);
  const found = write(folder, {
    "empty.nii": ["", "E_FILE_CONTENT"],
    "text.nii.gz": [text, "E_FILE_FORMAT"],
    "random.nii": [random, "E_FILE_FORMAT"],
    "32767.nii": [huge, "E_FILE_TOO_LARGE"],
    "32767.nii.gz": [gzipSync(huge), "E_FILE_TOO_LARGE"],
    "bomb.nii.gz": [gzipSync(zeros), "E_FILE_CONTENT"],
    "nan.nii": [scan({ type: "float32", value: () => Number.NaN }), "E_FILE_CONTENT"],
    "infinite.nii": [
      scan({ type: "float32", value: () => Number.POSITIVE_INFINITY }),
      "E_FILE_CONTENT",
    ],
    "constant.nii": [scan({ value: () => 7 }), "E_FILE_CONTENT"],
    "half.nii.gz": [packed.subarray(0, packed.length >> 1), "E_FILE_FORMAT"],
    "checksum.nii.gz": [Buffer.concat([packed.subarray(0, 600), random]), "E_FILE_FORMAT"],
    "two.nii": [scan({ dims: [8, 8, 20, 2] }), "E_FILE_UNSUPPORTED"],
    "complex.nii": [scan({ type: "complex64" }), "E_FILE_UNSUPPORTED"],
    "thin.nii": [scan({ dims: [8, 8, 2] }), "E_FILE_CONTENT"],
    "lonely.hdr": [scan().subarray(0, 348).fill("ni1\0", 344), "E_FILE_FORMAT"],
    ...series("gap", "E_FILE_CONTENT", slices(0, 1, 2, 4, 5)),
    ...series("sizes", "E_FILE_CONTENT", [...slices(0, 1, 2), [3, { "00280011US": 3 }]]),
    ...series("twice", "E_FILE_CONTENT", [...slices(0, 1, 2), [2, { "00080018UI": "1.2.3.9" }]]),
    ...series("noplace", "E_FILE_UNSUPPORTED", [...slices(0, 1), [2, { "00200032DS": "x" }]]),
    ...series("torn", "E_FILE_FORMAT", [...slices(0, 1), [2, { "7FE00010OW": Buffer.alloc(8) }]]),
    "good/a.nii": [scan()],
    "good/b.nii.gz": [packed],
    ...series("good/s", undefined, slices(3, 0, 2, 1)),
  });
  symlinkSync(folder, join(folder, "good/loop"));
  symlinkSync(join(folder, "nowhere"), join(folder, "dangling.nii"));
  const bad = Object.entries(found.bad)
    .filter(([, code]) => code !== "-")
    .map(([name, code]) => [/^(.*)\/\d$/.exec(name)?.[1] ?? name, code]);
  return {
    path: folder,
    bad: { ...Object.fromEntries(bad), "dangling.nii": "E_FILE_UNREADABLE" },
    good: 3,
  };
}

/** Reports. */
export function hostileTables(folder: string): Hostile {
  return write(folder, {
    "empty.csv": ["", "E_FILE_CONTENT"],
    "head.csv": ["case,findings\n", "E_FILE_CONTENT"],
    "columns.csv": ["case,age\n1,2\n", "E_TABLE_COLUMN"],
    "random.csv": [random, "E_FILE_FORMAT"],
    "binary.tsv": [Buffer.alloc(100), "E_FILE_FORMAT"],
    "picture.csv": [png(4, 4, deflateSync(Buffer.alloc(20))), "E_FILE_UNSUPPORTED"],
    "long.csv": [`findings\n"${"a".repeat(2 ** 20 + 9)}"\n`, "E_FILE_FORMAT"],
    "open.csv": [`findings\n"never closed${"\n a".repeat(2 ** 19)}`, "E_FILE_FORMAT"],
    "broken.jsonl": ['{"findings":"lungs are clear"}\n{"findings":', "E_FILE_FORMAT"],
    "list.jsonl": ["[1,2,3]\n", "E_FILE_FORMAT"],
    "deep.jsonl": [`${"[".repeat(1e5)}\n`, "E_FILE_FORMAT"],
    "random.parquet": [random, "E_FILE_FORMAT"],
    "magic.parquet": [
      Buffer.concat([Buffer.from("PAR1"), random, Buffer.from("PAR1")]),
      "E_FILE_FORMAT",
    ],
    "good.csv": ['\ufefffindings\r\n"the lungs\r\nare clear"\r\n'],
    "latin.csv": [Buffer.from("case;findings\n1;Herz groß und weit\n", "latin1")],
    "good.jsonl": ['{"report":"heart is of normal size"}\n'],
  });
}
