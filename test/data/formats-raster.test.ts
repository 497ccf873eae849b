import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { raster, readStored } from "../../lib/data/formats/raster.js";
import { packDefaults } from "../helpers/packing.js";
import { tiffBytes } from "../helpers/tiff.js";

const folder = t.testdir();
const options = packDefaults();
const at = (name: string) => join(folder, name);
const decode = (name: string) => raster.decode(at(name), options);
/** 4 x 3 pixels, red grows to the right, green downwards. */
const colour = Buffer.from(
  Array.from({ length: 12 }, (_, n) => [60 * (n % 4), 80 * Math.floor(n / 4), 30]).flat(),
);
const raw = { raw: { width: 4, height: 3, channels: 3 as const } };

t.test("PNG: colour, grey, palette", async (t) => {
  await sharp(colour, raw).png().toFile(at("c.png"));
  t.match(await decode("c.png"), { height: 3, width: 4, channels: 3, dtype: "uint8" });
  t.same([...(await decode("c.png")).pixels], [...colour]);
  await sharp(colour, raw).png({ palette: true }).toFile(at("p.png"));
  t.equal((await decode("p.png")).channels, 3);
  const grey = Buffer.from(Array.from({ length: 12 }, (_, n) => n * 20));
  await sharp(grey, { raw: { width: 4, height: 3, channels: 1 } })
    .png()
    .toFile(at("g.png"));
  t.same([...(await decode("g.png")).pixels], [...grey]);
  const triple = Buffer.from([...grey].flatMap((v) => [v, v, v]));
  await sharp(triple, raw).png().toFile(at("t.png"));
  const same = await decode("t.png");
  t.equal(same.channels, 1, "equal channels are grey");
  t.same([...same.pixels], [...grey]);
});

t.test("16 bit keeps its depth", async (t) => {
  const deep = Uint16Array.from({ length: 12 }, (_, n) => n * 5000);
  await sharp(deep, { raw: { width: 4, height: 3, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toFile(at("d.png"));
  const image = await decode("d.png");
  t.equal(image.dtype, "uint16");
  t.same([...image.pixels], [...deep]);
});

t.test("transparent parts become white", async (t) => {
  const rgba = Buffer.from([10, 20, 30, 255, 10, 20, 30, 0]);
  await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toFile(at("a.png"));
  t.same([...(await decode("a.png")).pixels], [10, 20, 30, 255, 255, 255]);
});

t.test("as stored: transparency stays, an opaque alpha goes", async (t) => {
  const rgba = Buffer.from([10, 20, 30, 255, 40, 50, 60, 0]);
  const given = { raw: { width: 2, height: 1, channels: 4 as const } };
  await sharp(rgba, given).png().toFile(at("translucent.png"));
  const found = await readStored(at("translucent.png"), options);
  t.match(found, { format: "PNG", channels: 4 });
  t.same([...found.pixels], [...rgba]);
  rgba[7] = 255;
  await sharp(rgba, given).png().toFile(at("opaque.png"));
  const opaque = await readStored(at("opaque.png"), options);
  t.same([...opaque.pixels], [10, 20, 30, 40, 50, 60]);
});

t.test("TIFF of signed and floating-point values", async (t) => {
  const values = [-300, 7, 40, 2000];
  writeFileSync(at("s.tif"), tiffBytes(Buffer.from(Int16Array.from(values).buffer), 2, 2, 16, 2));
  const signed = await decode("s.tif");
  t.match(signed, { channels: 1, dtype: "int16" });
  t.same([...signed.pixels], values);
  writeFileSync(at("f.tif"), tiffBytes(Buffer.from(Float32Array.from(values).buffer), 2, 2, 32, 3));
  const float = await decode("f.tif");
  t.match(float, { channels: 1, dtype: "float32" });
  t.same([...float.pixels], values);
  writeFileSync(
    at("u.tif"),
    tiffBytes(Buffer.from(Uint32Array.from([9, 8, 7, 6]).buffer), 2, 2, 32, 1),
  );
  t.match(await decode("u.tif"), { dtype: "uint32" });
  writeFileSync(at("h.tif"), tiffBytes(Buffer.alloc(8, 3), 2, 2, 16, 3));
  await t.rejects(decode("h.tif"), { code: "E_FILE_UNSUPPORTED", message: /float samples/ });
});

t.test("JPEG is turned upright by EXIF", async (t) => {
  const big = await sharp(colour, raw).resize(64, 48, { kernel: "nearest" }).toBuffer();
  const shape = { raw: { width: 64, height: 48, channels: 3 as const } };
  await sharp(big, shape)
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 6 })
    .toFile(at("r.jpg"));
  const image = await decode("r.jpg");
  t.match(image, { height: 64, width: 48, channels: 3 });
  t.ok((image.pixels[3 * (48 * 60)] as number) > 150, "red grows downwards now");
});

t.test("bad files", async (t) => {
  writeFileSync(at("text.jpg"), "this is a report");
  await sharp(colour, raw).resize(300, 300).png().toFile(at("big.png"));
  await sharp(colour, raw).resize(300, 300).jpeg().toFile(at("whole.jpg"));
  const whole = await sharp(at("whole.jpg")).resize(400).jpeg().toBuffer();
  writeFileSync(at("cut.jpg"), whole.subarray(0, whole.length / 2));
  await sharp(colour, raw).webp().toFile(at("webp.png"));
  const tiff = tiffBytes(Buffer.alloc(400 * 400, 9), 400, 400, 8, 1);
  writeFileSync(at("cut.tif"), tiff.subarray(0, tiff.length / 2));
  await t.rejects(
    decode("cut.tif"),
    { code: "E_FILE_FORMAT" },
    "missing strips are not made black",
  );
  const small = { ...options, limits: { ...options.limits, pixels: 1000 } };
  await t.rejects(decode("text.jpg"), { code: "E_FILE_FORMAT" });
  await t.rejects(decode("cut.jpg"), { code: "E_FILE_FORMAT" });
  await t.rejects(decode("webp.png"), { code: "E_FILE_UNSUPPORTED", message: /webp/ });
  await t.rejects(raster.decode(at("big.png"), small), {
    code: "E_FILE_TOO_LARGE",
    message: /90000 pixels/,
  });
});
