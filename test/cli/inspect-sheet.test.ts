import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { describeFile } from "../../lib/data/describe.js";
import { countSlide } from "../../lib/data/describe-slide.js";
import { pack } from "../../lib/data/pack/index.js";
import { writeFileSheet, writeStoreSheet } from "../../lib/data/sheet.js";
import { CELL, pictureCell, spread, textCell } from "../../lib/data/sheet-cells.js";
import { runCommandLine } from "../helpers/command.js";
import { small, writeCorpus } from "../helpers/corpus.js";
import { sliceElements, writeDicom } from "../helpers/dicom.js";
import { writeNifti } from "../helpers/nifti.js";

t.setTimeout(120_000);
const folder = t.testdir();
const at = (name: string) => join(folder, name);
const sform = [0, 1, 2].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 2 : 0)));

/** Number of columns and rows of cells, by the picture's size. */
async function grid(file: string, margin = 0) {
  const { width, height, format } = await sharp(file).metadata();
  t.equal(format, "png");
  return [Math.floor((width - margin) / CELL), Math.floor(height / CELL)];
}

t.test("a store: rows for both parts of every modality", async (t) => {
  const { xray, report } = await writeCorpus(folder);
  const scans = at("scans");
  mkdirSync(scans);
  for (let i = 0; i < 2; i++) {
    const value = (x: number, y: number, z: number) => 50 * x - 30 * y + z * i;
    writeNifti(join(scans, `${i}.nii`), { dims: [8, 6, 8], sform, value });
  }
  const ct = { modality: "ct", recipe: "ct" as const, path: scans };
  const preprocessing = {
    ...small.preprocessing,
    ct: { size: [2, 4, 4] as [number, number, number] },
  };
  await pack({ out: at("store"), sources: [xray, report, ct], workers: 2, preprocessing });
  const file = at("store.png");
  const shown = await runCommandLine(["inspect", at("store"), "--sheet", file, "--verify"]);
  t.match(shown, { code: 0, stdout: /Digests +verified/, stderr: /Contact sheet: .*store.png/ });
  t.same(await grid(file, 100), [8, 5], "xray and report have both parts, ct has training only");
  await writeStoreSheet(at("store"), at("again.png"));
  t.ok((await sharp(at("again.png")).raw().toBuffer()).equals(await sharp(file).raw().toBuffer()));
});

t.test("files: slices, tiles, texts, pictures", async (t) => {
  writeNifti(at("v.nii.gz"), { dims: [8, 6, 20], sform });
  for (let i = 0; i < 3; i++) writeDicom(at(`series/${i}`), sliceElements(i));
  writeFileSync(at("r.csv"), "findings\nlungs are clear\na very long report\n");
  const pixels = Buffer.alloc(640 * 512 * 3, 250);
  for (let i = 0; i < 640 * 400; i++) pixels.set([200, 20, i & 127], 3 * i);
  const picture = sharp(pixels, { raw: { width: 640, height: 512, channels: 3 } });
  await picture.clone().tiff({ tile: true, tileWidth: 128, tileHeight: 128 }).toFile(at("s.svs"));
  await picture.clone().png().toFile(at("p.png"));
  for (const [name, expected] of [
    ["v.nii.gz", [8, 3]],
    ["series", [3, 1]],
    ["r.csv", [2, 1]],
    ["s.svs", [8, 2]],
    ["p.png", [1, 1]],
  ] as const) {
    await writeFileSheet(at(name), at("sheet.png"));
    t.same(await grid(at("sheet.png")), expected, name);
  }
  const made = await runCommandLine([
    "inspect",
    at("p.png"),
    "--sheet",
    at("new/folder/sheet.png"),
  ]);
  t.match(made, { code: 0, stderr: /^Contact sheet: / });
  t.same(await grid(at("new/folder/sheet.png")), [1, 1]);
  const inFile = await runCommandLine(["inspect", at("p.png"), "--sheet", at("p.png/sheet.png")]);
  t.match(inFile, { code: 1, stderr: /^E_WRITE: / });
});

t.test("cells keep the picture's proportions; records are spread evenly", async (t) => {
  const { rgb } = await pictureCell(new Uint8Array(40 * 20).fill(255), [40, 20]);
  t.same([rgb[0], rgb[3 * (CELL / 2)]], [0, 255]);
  const text = await textCell("a word that is longer than the others: pneumonoultramicroscopic");
  t.equal(text.rgb.length, CELL * CELL * 3);
  t.same(spread(3, 8), [0, 1, 2]);
  t.same(spread(100, 4), [12, 37, 62, 87]);
  t.same(spread(9, 1), [4]);
});

t.test("a large slide is counted without being held", async (t) => {
  const held = await describeFile(at("s.svs"));
  const counted = await countSlide(at("s.svs"), 1000);
  const { shape, min, max, dtype } = held;
  t.match(counted, { shape, min, max, dtype });
  t.ok(Math.abs((counted?.mean as number) - (held.mean as number)) < 1e-6);
  t.equal(await countSlide(at("s.svs")), undefined);
  t.equal(await countSlide(at("p.png"), 1000), undefined);
});
