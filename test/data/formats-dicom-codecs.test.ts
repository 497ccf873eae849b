import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { dicomImage } from "../../lib/data/formats/dicom/index.js";
import { packageRoot } from "../helpers/package-root.js";
import { packDefaults } from "../helpers/packing.js";

const fixtures = join(packageRoot, "test/fixtures/dicom");
const options = packDefaults();
const folder = t.testdir();

/** As test/fixtures/dicom/make.py computes it. */
function values(bits: number, signed: boolean): number[] {
  return Array.from({ length: 32 * 36 }, (_, i) => {
    const [x, y] = [i % 36, Math.floor(i / 36)];
    return ((37 * x + 101 * y + x * y) % 2 ** bits) - (signed ? 2 ** (bits - 1) : 0);
  });
}

const decode = (name: string) => dicomImage.decode(join(fixtures, `${name}.dcm`), options);

t.test("lossless codings of every depth give the values that were coded", async (t) => {
  for (const [kind, bits, signed] of [
    ["u8", 8, false],
    ["u12", 12, false],
    ["s12", 12, true],
    ["u16", 16, false],
    ["s16", 16, true],
  ] as const) {
    for (const coding of ["rle", "jls", "j2k", "ljpeg"]) {
      const { pixels, dtype } = await decode(`${kind}-${coding}`);
      t.same([...pixels], values(bits, signed), `${kind} ${coding}`);
      t.equal(dtype, `${signed ? "int" : "uint"}${bits === 8 ? 8 : 16}`);
    }
  }
});

t.test("colour, and JPEG", async (t) => {
  const expected = values(8, false).flatMap((v) => [v, 255 - v, v >> 1]);
  for (const coding of ["rle", "jls", "j2k"]) {
    const image = await decode(`rgb-${coding}`);
    t.equal(image.channels, 3);
    t.same([...image.pixels], expected, coding);
  }
  const grey = await decode("u8-jpeg");
  const level = (x: number, y: number) => 64 * (Math.floor(y / 16) * 2 + Math.floor(x / 16));
  grey.pixels.forEach((v, i) => {
    if (Math.abs(v - level(i % 32, i >> 5)) > 2) t.fail(`grey ${i}: ${v}`);
  });
  const { pixels, channels } = await decode("rgb-jpeg");
  t.equal(channels, 3);
  for (let i = 0; i < 1024; i++) {
    const [x, y] = [i % 32, i >> 5];
    const wanted = [level(x, y), level(x, 31 - y), 255 - level(x, y)];
    const far = wanted.some((v, c) => Math.abs(v - (pixels[3 * i + c] as number)) > 12);
    if (far) t.fail(`colour ${i}`);
  }
});

t.test("damaged frames end as an error of the file", async (t) => {
  for (const name of ["u12-rle", "u12-jls", "u12-j2k", "u12-ljpeg", "u8-jpeg"]) {
    const good = readFileSync(join(fixtures, `${name}.dcm`));
    const start = good.indexOf("fffee0ff00e0", "hex");
    const pixels = start >= 0 ? start : good.length - 200;
    for (let n = 0; n < 12; n++) {
      const bad = Buffer.from(good);
      for (let k = 0; k < 6; k++) {
        bad[pixels + ((n * 37 + k * 53) % (bad.length - pixels))] = (n * 91 + k * 17) & 255;
      }
      const path = join(folder, `${name}-${n}.dcm`);
      writeFileSync(path, n % 3 === 0 ? bad.subarray(0, pixels + n) : bad);
      const error = await dicomImage.decode(path, options).then(
        () => undefined,
        (reason) => reason,
      );
      if (error && !/^E_FILE_/.test(error.code)) t.fail(`${name} ${n}: ${error.stack}`);
    }
    t.equal((await decode(name)).width > 0, true, `${name} is still read`);
  }
});

t.test("a frame of another size than the file says is not decoded", async (t) => {
  for (const name of ["u12-jls", "u12-j2k", "u12-ljpeg"]) {
    const bytes = readFileSync(join(fixtures, `${name}.dcm`));
    const at = bytes.indexOf(Buffer.from([0x28, 0, 0x10, 0, 0x55, 0x53, 2, 0, 32, 0]));
    bytes.writeUInt16LE(60_000, at + 8);
    const path = join(folder, `size-${name}.dcm`);
    writeFileSync(path, bytes);
    await t.rejects(dicomImage.decode(path, options), {
      code: "E_FILE_FORMAT",
      message: /36 x 32/,
    });
  }
});
