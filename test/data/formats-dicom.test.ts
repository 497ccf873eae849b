import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { dicomImage, dicomVolume } from "../../lib/data/formats/dicom/index.js";
import { scanFile } from "../../lib/data/formats/dicom/scan.js";
import { decodeSeries } from "../../lib/data/formats/dicom/series.js";
import { toBytes } from "../../lib/data/preprocess/display.js";
import {
  dicomBytes,
  type Elements,
  imageElements,
  type Syntax,
  sliceElements,
  writeDicom,
} from "../helpers/dicom.js";
import { packDefaults } from "../helpers/packing.js";

const folder = t.testdir();
const options = packDefaults();
let number = 0;
const path = () => join(folder, `d${number++}.dcm`);
const decode = (elements: Elements, syntax?: Syntax, bare?: boolean) =>
  dicomImage.decode(writeDicom(path(), elements, syntax, bare), options);
const ramp = (x: number, y: number) => 100 * y + x;
const shown = async (changes: Elements) => [
  ...toBytes(await decode(imageElements(4, 1, (x) => 1000 * x, changes))),
];
const series = (slices: Elements[]) => slices.map((slice) => writeDicom(path(), slice));
const stack = (count: number, changes: (i: number) => Elements = () => ({})) =>
  series(Array.from({ length: count }, (_, i) => sliceElements(i, changes(i))));

t.test("uncompressed transfer syntaxes, with and without preamble", async (t) => {
  for (const syntax of ["explicit", "implicit", "big", "deflated"] as const) {
    const image = await decode(imageElements(5, 3, ramp, {}, syntax === "big"), syntax);
    t.match(image, { height: 3, width: 5, channels: 1, dtype: "uint16" });
    t.same([...image.pixels].slice(4, 7), [4, 100, 101], syntax);
  }
  for (const syntax of ["explicit", "implicit"] as const) {
    t.equal((await decode(imageElements(5, 3, ramp), syntax, true)).pixels[6], 101);
  }
  const head = dicomBytes(imageElements(5, 3, ramp), "implicit", true);
  t.ok(dicomImage.matches(head));
  t.notOk(dicomImage.matches(Buffer.alloc(400)));
});

t.test("stored bits, sign, rescale", async (t) => {
  const shifted = { "00280101US": 12, "00280102US": 15 };
  t.equal((await decode(imageElements(2, 1, () => 0xabcf, shifted))).pixels[0], 0xabc);
  const overlay = await decode(imageElements(2, 1, () => 0xf123));
  t.equal(overlay.pixels[0], 0x123, "bits over the stored ones do not count");
  const signed = await decode(imageElements(2, 1, () => -7, { "00280103US": 1 }));
  t.match(signed, { dtype: "int16" });
  t.equal(signed.pixels[0], -7);
  const line = { "00281052DS": "-1024", "00281053DS": "2.5" };
  t.equal((await decode(imageElements(2, 1, () => 10, line))).pixels[0], -999);
});

t.test("grey as it is meant to be shown", async (t) => {
  t.same(await shown({}), [0, 85, 170, 255], "from the least to the greatest");
  t.same(await shown({ "00280004CS": "MONOCHROME1" }), [255, 170, 85, 0]);
  t.same(await shown({ "20500020CS": "INVERSE" }), [255, 170, 85, 0]);
  const exact = { "00281050DS": "1000", "00281051DS": "2000", "00281056CS": "LINEAR_EXACT" };
  t.same(await shown(exact), [0, 128, 255, 255]);
  t.same(await shown({ "00281050DS": "1000.5\\5", "00281051DS": "2001\\9" }), [0, 128, 255, 255]);
  const curve = { ...exact, "00281056CS": "SIGMOID" };
  t.same(await shown(curve), [30, 128, 225, 250]);
  t.same(await shown({ "00281050DS": "1", "00281051DS": "0" }), [0, 85, 170, 255], "no window");
  const away = { "00281050DS": "90000", "00281051DS": "10" };
  t.same(await shown(away), [0, 85, 170, 255], "a window that shows nothing");
  t.same(await shown({ "00280120US": 0 }), [0, 0, 128, 255], "pixels that were not exposed");
  const table: Elements = { "00283002US": [3, 999, 16], "00283006US": [0, 65535, 0] };
  t.same(await shown({ "00283010SQ": [table] }), [0, 255, 0, 0]);
  const modality: Elements = { "00283002US": [2, 0, 16], "00283006US": [7, 9] };
  const mapped = await decode(imageElements(3, 1, (x) => x, { "00283000SQ": [modality] }));
  t.same([...mapped.pixels], [7, 9, 9]);
});

t.test("colour: planes, YCbCr, palette", async (t) => {
  const rgb = { "00280002US": 3, "00280100US": 8, "00280101US": 8, "00280102US": 7 };
  const bytes = Buffer.from([1, 2, 3, 4, 5, 6]);
  const base = imageElements(2, 1, () => 0, { ...rgb, "00280004CS": "RGB", "7FE00010OW": bytes });
  t.same([...(await decode({ ...base, "00280006US": 0 })).pixels], [1, 2, 3, 4, 5, 6]);
  t.same([...(await decode({ ...base, "00280006US": 1 })).pixels], [1, 3, 5, 2, 4, 6]);
  const ycc = {
    ...base,
    "00280004CS": "YBR_FULL",
    "7FE00010OW": Buffer.from([76, 85, 255, 128, 128, 128]),
  };
  t.same([...(await decode(ycc)).pixels], [254, 0, 0, 128, 128, 128]);
  await t.rejects(decode({ ...base, "00280004CS": "YBR_PARTIAL_420" }), {
    code: "E_FILE_UNSUPPORTED",
  });
  const entries: Elements = { "00280004CS": "PALETTE COLOR" };
  for (const c of [1, 2, 3]) {
    entries[`0028110${c}US`] = [2, 0, 16];
    entries[`0028120${c}OW`] = Buffer.from([0, 10 * c, 0, 20 * c]);
  }
  const palette = await decode(imageElements(2, 1, (x) => x, entries));
  t.same([...palette.pixels], [10, 20, 30, 20, 40, 60]);
  await t.rejects(decode(imageElements(2, 1, (x) => x, { "00280004CS": "PALETTE COLOR" })), {
    code: "E_FILE_FORMAT",
  });
});

t.test("a series: ordered by position, whatever the names", async (t) => {
  const [a, b, c, d] = stack(4) as [string, string, string, string];
  const volume = await decodeSeries([c, a, d, b], options);
  t.match(volume, {
    shape: [4, 4, 6],
    spacingMm: [5, 0.5, 0.25],
    orientation: "LPS",
    dtype: "uint16",
  });
  t.same(
    [0, 1, 6, 24, 95].map((i) => volume.voxels[i]),
    [0, 1, 10, 100, 335],
  );
  t.match(volume, { patient: "\\SECRET-ID", annotated: false });
  const sagittal = stack(3, (i) => ({
    "00200032DS": [5 * i, 0, 0],
    "00200037DS": [0, 1, 0, 0, 0, -1],
  }));
  const turned = await decodeSeries(sagittal, options);
  t.match(turned, { shape: [4, 6, 3], orientation: "PIR", storedShape: [3, 4, 6] });
  t.equal(turned.voxels[0], 30, "the last row is at the feet, the first slice at the right");
});

t.test("each slice has its own rescale", async (t) => {
  const files = stack(3, (i) => ({ "00281053DS": i + 1, "00281052DS": 0 }));
  const { voxels } = await decodeSeries(files, options);
  t.same([voxels[0], voxels[24], voxels[48]], [1024, 2248, 3672]);
});

t.test("series that are no even stack are refused with the reason", async (t) => {
  const gap = stack(5).filter((_, i) => i !== 2);
  const cases: Array<[string[], string, RegExp]> = [
    [gap, "E_FILE_CONTENT", /a slice is missing: 10.00 mm .* 5.00 mm/],
    [stack(4, (i) => ({ "00200032DS": [0, 0, i === 3 ? 17 : 5 * i] })), "E_FILE_CONTENT", /uneven/],
    [stack(4, () => ({ "00200032DS": [0, 0, 1] })), "E_FILE_CONTENT", /several volumes/],
    [
      stack(3, (i) => ({ "00200037DS": i ? [1, 0, 0, 0, 1, 0] : [1, 0, 0, 0, 0, 1] })),
      "E_FILE_CONTENT",
      /directions/,
    ],
    [stack(3, () => ({ "00200037DS": [1, 0, 0, 1, 0, 0] })), "E_FILE_CONTENT", /parallel/],
    [stack(3, (i) => ({ "00280030DS": [0.5 + i, 0.5] })), "E_FILE_CONTENT", /spacings/],
    [stack(3, () => ({ "00200032DS": "" })), "E_FILE_UNSUPPORTED", /without a position/],
    [stack(3, () => ({ "00280030DS": "" })), "E_FILE_UNSUPPORTED", /without spacing/],
    [stack(3, () => ({ "00280010US": 65535, "00280011US": 65535 })), "E_FILE_TOO_LARGE", /voxels/],
    [
      stack(3, (i) => ({ "7FE00010OW": Buffer.alloc(i === 1 ? 10 : 48) })),
      "E_FILE_FORMAT",
      /10 of 48 bytes \(file 2 of 3 by name\)/,
    ],
  ];
  const mixed = [
    ...stack(2),
    writeDicom(path(), { ...imageElements(7, 4, ramp), "00200032DS": [0, 0, 10] }),
  ];
  cases.push([mixed, "E_FILE_CONTENT", /6 x 4 and of 7 x 4/]);
  for (const [files, code, message] of cases) {
    const error = await decodeSeries(files, options).catch((reason) => reason);
    t.match(error, { code, message });
    t.notMatch(error.message, /Secret|SECRET|1\.2\.826|d\d+\.dcm|\/tmp/);
  }
});

t.test("enhanced multi-frame: one file is a volume", async (t) => {
  const frames = Array.from({ length: 3 }, (_, i): Elements => {
    const position: Elements = { "00200032DS": [0, 0, 4 * (2 - i)] };
    return { "00209113SQ": [position] };
  });
  const orientation: Elements = { "00200037DS": [1, 0, 0, 0, 1, 0] };
  const measures: Elements = { "00280030DS": [2, 3], "00180050DS": 4 };
  const values: Elements = { "00281052DS": -5, "00281053DS": 2 };
  const shared: Elements = {
    "00209116SQ": [orientation],
    "00289110SQ": [measures],
    "00289145SQ": [values],
  };
  const many = imageElements(2, 6, (x, y) => x + 10 * y);
  const elements = {
    ...many,
    "00280010US": 2,
    "00280008IS": 3,
    "52009229SQ": [shared],
    "52009230SQ": frames,
  };
  const file = writeDicom(path(), elements);
  const volume = await dicomVolume.decode(file, options);
  t.match(volume, { shape: [3, 2, 2], spacingMm: [4, 2, 3] });
  t.same([...volume.voxels].slice(0, 4), [75, 77, 95, 97], "the last frame lies lowest");
  await t.rejects(dicomImage.decode(file, options), {
    code: "E_FILE_UNSUPPORTED",
    message: /3 frames/,
  });
  await t.rejects(
    dicomVolume.decode(writeDicom(path(), { ...elements, "00280008IS": 99 }), options),
    {
      code: /^E_FILE_/,
    },
  );
});

t.test("what is no picture is told apart", async (t) => {
  const scan = (elements: Elements) => scanFile(writeDicom(path(), elements), "f");
  t.match(await scan(sliceElements(0)), { use: "slice" });
  t.match(await scan({ "00080016UI": "1.2.840.10008.1.3.10" }), { reason: /without an image/ });
  t.match(await scan(sliceElements(0, { "00080008CS": "DERIVED\\PRIMARY\\LOCALIZER" })), {
    reason: "DICOM localiser",
  });
  t.match(await scan(sliceElements(0, { "00080016UI": "1.2.840.10008.5.1.4.1.1.66.4" })), {
    use: "skip",
  });
  const capture = imageElements(2, 2, ramp, { "00080016UI": "1.2.840.10008.5.1.4.1.1.7" });
  t.match(await scan(capture), { reason: "DICOM screenshot" });
  const noise = path();
  writeFileSync(noise, Buffer.alloc(300, 7));
  t.same(await scanFile(noise, "f"), { use: "other" });
  t.same(await scanFile(join(folder, "none"), "f"), { use: "other" });
  t.equal(await dicomImage.reasonToSkip?.(noise), undefined, "what is no DICOM is not skipped");
  const sizeless = writeDicom(path(), imageElements(2, 2, ramp, { "00280010US": 0 }));
  t.equal(await dicomImage.reasonToSkip?.(sizeless), undefined, "nor are pixels without a size");
  await t.rejects(dicomImage.decode(sizeless, options), { code: "E_FILE_FORMAT" });
  const long = { "00081030UT": "x".repeat(100_000) };
  t.match(
    await scan(sliceElements(0, long)),
    { use: "slice" },
    "elements longer than the first read",
  );
});

t.test("bad files: one error each", async (t) => {
  const good = dicomBytes(imageElements(50, 40, ramp));
  const raw = (content: Uint8Array) => {
    const file = path();
    writeFileSync(file, content);
    return dicomImage.decode(file, options);
  };
  const changed = (changes: Elements) => decode(imageElements(4, 4, ramp, changes));
  const bomb = dicomBytes(
    { ...imageElements(2, 2, ramp), "00091010OB": Buffer.alloc(2 ** 22) },
    "deflated",
  );
  const cases: Array<[string, () => Promise<unknown>, string]> = [
    ["truncated pixels", () => raw(good.subarray(0, 2000)), "E_FILE_FORMAT"],
    ["truncated header", () => raw(good.subarray(0, 200)), "E_FILE_FORMAT"],
    ["magic only", () => raw(good.subarray(0, 132)), "E_FILE_FORMAT"],
    [
      "noise behind the magic",
      () => raw(Buffer.concat([good.subarray(0, 132), Buffer.alloc(999, 0xa7)])),
      "E_FILE_FORMAT",
    ],
    ["broken deflate", () => raw(bomb.subarray(0, 400)), "E_FILE_FORMAT"],
    [
      "hostile size",
      () => changed({ "00280010US": 65535, "00280011US": 65535 }),
      "E_FILE_TOO_LARGE",
    ],
    ["no pixels", () => changed({ "00280010US": 0 }), "E_FILE_FORMAT"],
    ["bits", () => changed({ "00280100US": 12 }), "E_FILE_UNSUPPORTED"],
    ["stored bits", () => changed({ "00280101US": 40 }), "E_FILE_FORMAT"],
    ["high bit", () => changed({ "00280102US": 3 }), "E_FILE_FORMAT"],
    ["samples", () => changed({ "00280002US": 4 }), "E_FILE_UNSUPPORTED"],
    ["frames", () => changed({ "00280008IS": "-1" }), "E_FILE_FORMAT"],
    ["missing", () => dicomImage.decode(join(folder, "none.dcm"), options), "E_FILE_UNREADABLE"],
  ];
  for (const [name, result, code] of cases) {
    const error = (await result().catch((reason) => reason)) as Error & { code: string };
    t.equal(error?.code, code, name);
    t.notOk(error?.message.includes(folder), name);
  }
});
