import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { describeFile } from "../../lib/data/describe.js";
import { raster } from "../../lib/data/formats/raster.js";
import { isSlide, otsu, slideTiles } from "../../lib/data/formats/slide.js";
import { readTiffTags } from "../../lib/data/formats/tiff-tags.js";
import { pack } from "../../lib/data/pack/index.js";
import { readRejected } from "../helpers/corpus.js";
import { packDefaults } from "../helpers/packing.js";

t.setTimeout(60_000);
const folder = t.testdir();
const at = (name: string) => join(folder, name);
const options = { size: 64, tissue: 0.5, mostTiles: 100 };

/** 640 x 512, white but for a red square of 256 at (128, 64), whose blue grows to the right. */
const pixels = Buffer.alloc(640 * 512 * 3, 250);
for (let y = 64; y < 320; y++) {
  for (let x = 128; x < 384; x++) pixels.set([200, 20, (x - 128) >> 1], 3 * (y * 640 + x));
}
const picture = () => sharp(pixels, { raw: { width: 640, height: 512, channels: 3 } });
const tiled = { compression: "lzw" as const, tile: true, tileWidth: 128, tileHeight: 128 };

async function tilesOf(path: string, changes = {}) {
  const tiles = [];
  for await (const tile of slideTiles(path, { ...options, ...changes })) tiles.push(tile);
  return tiles;
}

await picture()
  .tiff({ ...tiled, pyramid: true })
  .toFile(at("slide.svs"));
await picture()
  .tiff({ ...tiled, bigtiff: true })
  .toFile(at("big.tif"));

t.test("tiles that are tissue, in RGB, from TIFF and BigTIFF", async (t) => {
  for (const name of ["slide.svs", "big.tif"]) {
    t.ok(await isSlide(at(name)));
    const tiles = await tilesOf(at(name));
    const expected = [64, 128, 192, 256].flatMap((y) => [128, 192, 256, 320].map((x) => [x, y]));
    t.same(
      tiles.map((tile) => tile.at),
      expected,
      name,
    );
    t.match(tiles[1]?.image, { height: 64, width: 64, channels: 3 });
    t.same([...(tiles[1]?.image.pixels ?? [])].slice(0, 3), [200, 20, 32]);
  }
  t.equal((await tilesOf(at("slide.svs"), { mostTiles: 3 })).length, 3);
  t.same(
    (await tilesOf(at("slide.svs"), { size: 256, tissue: 0.2 })).map((tile) => tile.at),
    [
      [0, 0],
      [256, 0],
    ],
  );
});

/** A TIFF's bytes with `text` as its description, behind the rest; the entry of a tag that does not matter is used. */
function described(tiff: Buffer, text: string): Buffer {
  const directory = tiff.readUInt32LE(4);
  const count = tiff.readUInt16LE(directory);
  const entries = Array.from({ length: count }, (_, i) => {
    return tiff.subarray(directory + 2 + 12 * i, directory + 14 + 12 * i);
  });
  const own = Buffer.alloc(12);
  own.writeUInt16LE(270, 0);
  own.writeUInt16LE(2, 2);
  own.writeUInt32LE(text.length + 1, 4);
  const all = [...entries, own].sort((a, b) => a.readUInt16LE(0) - b.readUInt16LE(0));
  const size = Buffer.alloc(2);
  size.writeUInt16LE(all.length);
  const padding = Buffer.alloc(tiff.length % 2);
  const start = tiff.length + padding.length;
  own.writeUInt32LE(start + 2 + 12 * all.length + 4, 8);
  const out = Buffer.concat([
    tiff,
    padding,
    size,
    ...all,
    Buffer.alloc(4),
    Buffer.from(`${text}\0`),
  ]);
  out.writeUInt32LE(start, 4);
  return out;
}

t.test("magnification comes from the description", async (t) => {
  const tiff = await picture().tiff(tiled).toBuffer();
  writeFileSync(at("m.svs"), described(tiff, "Aperio Image|AppMag = 40|MPP = 0.25"));
  t.same(await readTiffTags(at("m.svs")), { tiled: true, magnification: 40 });
  const halved = await tilesOf(at("m.svs"), { magnification: 20 });
  t.same(
    halved.map(({ image }) => image.width),
    [128, 128, 128, 128, 128, 128],
  );
  t.equal((await tilesOf(at("m.svs"))).length, 16, "the slide's own by default");
});

t.test("packed: every tile is a record that knows its place", async (t) => {
  const out = at("store");
  writeFileSync(at("cut.svs"), readFileSync(at("slide.svs")).subarray(0, 3000));
  await sharp(Buffer.alloc(256 * 256 * 3, 240), { raw: { width: 256, height: 256, channels: 3 } })
    .tiff(tiled)
    .toFile(at("empty.svs"));
  const sources = ["slide.svs", "cut.svs", "empty.svs"].map((name) => {
    return { modality: "pathology", recipe: "pathology" as const, path: at(name) };
  });
  const result = await pack({
    out,
    sources,
    workers: 1,
    preprocessing: { pathology: { size: 64 } },
  });
  t.match(result.modalities, [{ added: 16, rejected: 2 }]);
  t.match(readRejected(out), [
    { code: "E_FILE_FORMAT" },
    { code: "E_FILE_CONTENT", reason: /no tissue/ },
  ]);
  const line = readFileSync(join(out, "pathology/00000.sources.jsonl"), "utf8").split("\n")[1];
  t.same(JSON.parse(line as string).tile, [192, 64]);
});

t.test("TIFF pictures: 8 and 16 bit, grey and colour", async (t) => {
  const deep = Uint16Array.from({ length: 12 }, (_, i) => 5000 * i);
  await sharp(deep, { raw: { width: 4, height: 3, channels: 1 } })
    .toColourspace("grey16")
    .tiff({ compression: "deflate" })
    .toFile(at("deep.tif"));
  const image = await raster.decode(at("deep.tif"), packDefaults());
  t.match(image, { height: 3, width: 4, channels: 1, dtype: "uint16" });
  t.same([...image.pixels], [...deep]);
  t.notOk(await isSlide(at("deep.tif")));
  t.match(await describeFile(at("slide.svs")), { kind: "image2d", shape: [512, 640, 3] });
});

t.test("bad files", async (t) => {
  const bad = (name: string, content: Uint8Array) => {
    writeFileSync(at(name), content);
    return raster.decode(at(name), packDefaults());
  };
  const good = readFileSync(at("deep.tif"));
  await t.rejects(bad("a.tif", good.subarray(0, 12)), { code: "E_FILE_FORMAT" });
  await t.rejects(bad("b.tif", Buffer.from("II*\0\xff\xff\xff\x7f", "latin1")), {
    code: "E_FILE_FORMAT",
  });
  t.same(await readTiffTags(at("b.tif")), { tiled: false });
  const huge = Buffer.from(good);
  const directory = huge.readUInt32LE(4);
  for (let i = 0; i < huge.readUInt16LE(directory); i++) {
    const entry = directory + 2 + 12 * i;
    if (huge.readUInt16LE(entry) > 257) continue;
    huge.writeUInt16LE(4, entry + 2);
    huge.writeUInt32LE(60_000, entry + 8);
  }
  await t.rejects(bad("c.tif", huge), { code: /E_FILE_(TOO_LARGE|FORMAT)/ });
  t.equal(otsu(Uint8Array.of(1, 2, 200, 201)) < 200, true);
});
