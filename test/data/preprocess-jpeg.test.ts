import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { raster } from "../../lib/data/formats/raster.js";
import { prepareImage } from "../../lib/data/preprocess/image.js";
import { isPlainJpeg, jpegRecord } from "../../lib/data/preprocess/jpeg.js";
import { loadPixels, loadPixelsFrom } from "../../lib/native/pixels.js";
import { packDefaults } from "../helpers/packing.js";

const folder = t.testdir();
const config = packDefaults();
const { xray, pathology } = config.preprocessing;

/** Waves under a bright bar with hard edges. */
function picture(width: number, height: number, channels: 1 | 3) {
  const pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < pixels.length; i++) {
    const place = Math.floor(i / channels);
    const [x, y] = [place % width, Math.floor(place / width)];
    const bar = Math.abs(x - width / 3) < 5 && y > height / 2;
    pixels[i] = bar ? 255 : 120 + 60 * Math.sin(x / 41 + (i % channels)) * Math.cos(y / 67);
  }
  return sharp(pixels, { raw: { width, height, channels } }).toColourspace(
    channels === 1 ? "b-w" : "srgb",
  );
}

/** The record by the decoder of every other image. */
async function byRaster(file: Buffer, options: typeof xray): Promise<Uint8Array> {
  const path = join(folder, "image.jpg");
  writeFileSync(path, file);
  return prepareImage(await raster.decode(path, config), options);
}

const kinds = {
  grey: () => picture(301, 523, 1).jpeg({ quality: 92 }),
  colour: () => picture(640, 200, 3).jpeg({ quality: 85, chromaSubsampling: "4:2:0" }),
  "full colour": () => picture(333, 250, 3).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  "progressive colour": () => picture(230, 229, 3).jpeg({ progressive: true }),
  enlarged: () => picture(40, 17, 3).jpeg(),
};
for (const [name, make] of Object.entries(kinds)) {
  t.test(`a record of a JPEG is that of its pixels: ${name}`, async (t) => {
    const file = await make().toBuffer();
    for (const options of [xray, pathology]) {
      const record = jpegRecord(file, options, config.limits);
      t.ok(record && Buffer.from(record).equals(await byRaster(file, options)));
    }
  });
}

t.test("a JPEG with pixels to spare is decoded at a fraction of its size", async (t) => {
  const shrunk = { ...xray, shrinkOnLoad: true };
  const differences = async (width: number, height: number, channels: 1 | 3 = 1) => {
    const file = await picture(width, height, channels).jpeg({ quality: 92 }).toBuffer();
    const whole = Uint8Array.from(jpegRecord(file, xray, config.limits) ?? []);
    const part = jpegRecord(file, shrunk, config.limits) as Uint8Array;
    return part.map((value, i) => Math.abs(value - (whole[i] as number)));
  };
  for (const channels of [1, 3] as const) {
    const half = await differences(1024, 2048, channels);
    t.ok(Math.max(...half) > 0 && Math.max(...half) < 16, "at hard edges");
    t.ok(half.reduce((sum, value) => sum + value, 0) / half.length < 0.5, "all over");
  }
  t.equal(Math.max(...(await differences(1023, 2048))), 0, "an edge that does not divide");
  t.equal(Math.max(...(await differences(894, 2048))), 0, "too few pixels");
});

t.test("what needs more than decoding is left to the other decoder", async (t) => {
  const plain = await picture(64, 48, 3).jpeg().toBuffer();
  const record = (file: Buffer, options = xray, limits = config.limits) =>
    jpegRecord(file, options, limits);
  const upright = await sharp(plain).withMetadata({ orientation: 1 }).jpeg().toBuffer();
  t.ok(
    record(
      await sharp(plain)
        .keepExif()
        .withExif({ IFD0: { Artist: "A" } })
        .toBuffer(),
    ),
  );
  t.equal(isPlainJpeg(upright), false, "a colour profile");
  t.equal(record(await sharp(plain).toColourspace("cmyk").jpeg().toBuffer()), undefined, "CMYK");
  t.equal(record(plain, { ...xray, kernel: "mitchell" }), undefined, "another filter");
  t.equal(record(plain, xray, { ...config.limits, pixels: 3071 }), undefined, "too large");
  t.equal(record(plain.subarray(0, plain.length - 40)), undefined, "cut short");
  t.equal(record(Buffer.concat([plain.subarray(0, -2), Buffer.alloc(99)])), undefined, "no end");
  t.equal(isPlainJpeg(await picture(9, 9, 3).png().toBuffer()), false, "a PNG");
  for (const length of [0, 3, 5, 30]) t.equal(isPlainJpeg(plain.subarray(0, length)), false);
  t.equal(isPlainJpeg(Buffer.concat([plain.subarray(0, 2), plain])), false, "no marker");
});

t.test("an image of one value is refused", async (t) => {
  const create = { width: 99, height: 20, channels: 3 as const, background: "#777777" };
  const file = await sharp({ create }).jpeg().toBuffer();
  t.throws(() => jpegRecord(file, pathology, config.limits), { code: "E_FILE_CONTENT" });
});

t.test("Exif data that make no sense", async (t) => {
  const plain = await picture(64, 48, 1).jpeg().toBuffer();
  const withExif = (exif: string) => {
    const content = Buffer.from(`Exif\0\0${exif}`, "latin1");
    const head = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, content.length + 2]);
    return Buffer.concat([head, content, plain.subarray(2)]);
  };
  const directory = (value: string) => `MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01${value}\0\0`;
  t.equal(isPlainJpeg(withExif(directory("\0\x01"))), true);
  t.equal(isPlainJpeg(withExif(directory("\0\x03"))), false);
  t.equal(isPlainJpeg(withExif("II*\0\x08\0\0\0\x09\0")), false, "entries beyond its end");
  t.equal(isPlainJpeg(withExif("")), false, "none at all");
});

t.test("the addon refuses what does not fit, and a damaged library", async (t) => {
  const { jpegRecord: fill, openJpeg, stretch } = loadPixels();
  const options = { height: 2, width: 3, channels: 1 as const, size: 4 };
  const six = new Uint8Array(6).fill(7);
  t.equal(stretch(six, options)[9], 7);
  t.throws(() => stretch(new Uint8Array(5), options), /length of its shape/);
  const changes = { height: [0, 2.5, 2 ** 40], size: [0, 2 ** 17], channels: [0, 2, 4, "1"] };
  for (const [name, values] of Object.entries(changes)) {
    for (const value of values) {
      const other = { ...options, [name]: value } as typeof options;
      t.throws(() => stretch(six, other), new RegExp(`for ${name}`));
    }
  }
  for (const wrong of [undefined, "", {}, new Float32Array(6), [1]]) {
    t.throws(() => stretch(wrong as Uint8Array, options), /Uint8Array for pixels/);
  }
  t.throws(() => stretch(six, undefined as unknown as typeof options), /for channels/);
  const wish = { size: 9, channels: 1 as const, mostPixels: 9, enoughPixels: 0 };
  t.throws(() => fill(new Uint8Array(9), wish, new Uint8Array(80)), /length of its shape/);
  t.equal(fill(new Uint8Array(0), wish, new Uint8Array(81)), "other");
  t.throws(() => openJpeg("/no/such.so"), /no such file/i);
  const damaged = t.testdir({ "medcoss_pixels.node": "x" });
  t.throws(() => loadPixelsFrom(damaged), { code: "E_ADDON_LOAD", message: /pixels.*too short/ });
});
