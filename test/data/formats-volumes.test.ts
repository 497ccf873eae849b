import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import t from "tap";
import { formatFor } from "../../lib/data/formats/index.js";
import { findFiles } from "../../lib/data/pack/find.js";
import { niftiBytes } from "../helpers/nifti.js";
import { packDefaults } from "../helpers/packing.js";

const folder = t.testdir();
const options = packDefaults();
let number = 0;
/** 4 x 3 x 2, value i + 4 j + 12 k. */
const voxels = Buffer.from(Int16Array.from({ length: 24 }, (_, n) => n).buffer);
const swapped = Buffer.from(voxels).swap16();

async function decode(path: string) {
  return (await formatFor(path, "volume3d")).decode(path, options);
}

function write(
  ending: string,
  header: string,
  data: Uint8Array = Buffer.alloc(0),
  beside?: string,
) {
  const path = join(folder, `v${number}${ending}`);
  if (beside) writeFileSync(join(folder, `v${number}${beside}`), data);
  number++;
  writeFileSync(path, beside ? header : Buffer.concat([Buffer.from(header), data]));
  return path;
}

const meta = (changes: Record<string, string> = {}) => {
  const fields = {
    ...{ ObjectType: "Image", NDims: "3", DimSize: "4 3 2", ElementSpacing: "0.5 0.75 3" },
    ...{ TransformMatrix: "1 0 0 0 1 0 0 0 1", ElementType: "MET_SHORT", ...changes },
  };
  const last = changes.ElementDataFile ?? "LOCAL";
  const lines = Object.entries(fields).filter(([key]) => key !== "ElementDataFile");
  return `${lines.map(([key, value]) => `${key} = ${value}`).join("\n")}\nElementDataFile = ${last}\n`;
};

const nrrdText = (changes: Record<string, string> = {}) => {
  const fields = {
    ...{ type: "short", dimension: "3", space: "left-posterior-superior", sizes: "4 3 2" },
    ...{ "space directions": "(0.5,0,0) (0,0.75,0) (0,0,3)", endian: "little", encoding: "raw" },
    ...changes,
  };
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${value}`);
  return `NRRD0004\n# made by hand\n${lines.join("\n")}\n\n`;
};

const plain = { shape: [2, 3, 4], spacingMm: [3, 0.75, 0.5], orientation: "LPS", dtype: "int16" };
const inOrder = Array.from({ length: 24 }, (_, n) => n);

t.test("MetaImage: one file or two, packed, either byte order", async (t) => {
  const files = [
    write(".mha", meta(), voxels),
    write(".mha", meta({ CompressedData: "True" }), deflateSync(voxels)),
    write(".mha", meta({ BinaryDataByteOrderMSB: "True" }), swapped),
    write(".mhd", meta({ ElementDataFile: `v${number}.raw` }), voxels, ".raw"),
    write(
      ".mhd",
      meta({ ElementDataFile: `v${number}.zraw`, CompressedData: "True" }),
      deflateSync(voxels),
      ".zraw",
    ),
  ];
  for (const file of files) {
    const volume = await decode(file);
    t.match(volume, plain);
    t.same([...volume.voxels], inOrder);
  }
  const behind = Buffer.concat([Buffer.from("notes"), voxels]);
  const last = write(
    ".mhd",
    meta({ ElementDataFile: `v${number}.raw`, HeaderSize: "-1" }),
    behind,
    ".raw",
  );
  t.same([...(await decode(last)).voxels], inOrder, "the voxels are the last bytes");
  const turned = await decode(
    write(".mha", meta({ TransformMatrix: "0 0 1 1 0 0 0 -1 0" }), voxels),
  );
  t.match(turned, { shape: [4, 2, 3], orientation: "SLA", spacingMm: [0.5, 3, 0.75] });
  t.same([...turned.voxels].slice(0, 4), [12, 16, 20, 0]);
});

t.test("NRRD: one file or two, raw, gzip and text, spaces", async (t) => {
  const files = [
    write(".nrrd", nrrdText(), voxels),
    write(".nrrd", nrrdText({ encoding: "gzip" }), gzipSync(voxels)),
    write(".nrrd", nrrdText({ endian: "big" }), swapped),
    write(".nrrd", nrrdText({ encoding: "ascii" }), Buffer.from(inOrder.join(" "))),
    write(".nhdr", nrrdText({ "data file": `v${number}.raw` }), voxels, ".raw"),
    write(
      ".nhdr",
      nrrdText({ "data file": `v${number}.raw.gz`, encoding: "gz" }),
      gzipSync(voxels),
      ".raw.gz",
    ),
  ];
  for (const file of files) {
    const volume = await decode(file);
    t.match(volume, plain);
    t.same([...volume.voxels], inOrder);
  }
  const skipped = nrrdText({ "data file": `v${number}.raw`, "byte skip": "-1" });
  const behind = write(".nhdr", skipped, Buffer.concat([Buffer.from("notes"), voxels]), ".raw");
  t.same([...(await decode(behind)).voxels], inOrder, "the voxels are the last bytes");
  const ras = await decode(write(".nrrd", nrrdText({ space: "RAS" }), voxels));
  t.match(ras, { orientation: "RAS" });
  t.equal(ras.voxels[0], 11);
  const bare = nrrdText({ space: "", "space directions": "none", spacings: "1 2 3" });
  t.match(await decode(write(".nrrd", bare, voxels)), { orientation: "LPS", spacingMm: [3, 2, 1] });
  const none = await decode(write(".nrrd", nrrdText({ "space directions": "" }), voxels));
  t.equal(none.spacingMm, undefined);
});

t.test("NIfTI pairs", async (t) => {
  const whole = niftiBytes({ dims: [4, 3, 2], value: (i, j, k) => i + 4 * j + 12 * k });
  const head = Buffer.from(whole.subarray(0, 348));
  head.write("ni1\0", 344);
  head.writeFloatLE(0, 108);
  const single = await decode(write(".nii", "", whole));
  for (const [ending, data] of [
    [".img", whole.subarray(352)],
    [".img.gz", gzipSync(whole.subarray(352))],
  ] as const) {
    const path = write(".hdr", "", data, ending);
    writeFileSync(path, head);
    t.same((await decode(path)).voxels, single.voxels, ending);
  }
  const lonely = write(".hdr", "");
  writeFileSync(lonely, head);
  await t.rejects(decode(lonely), { code: "E_FILE_FORMAT", message: /missing/ });
  const found = await findFiles(folder, "volume3d", false);
  t.notOk(found.files.some(({ relative }) => /\.(img|raw|zraw)(\.gz)?$/.test(relative)));
  t.equal(found.skipped.get("voxels of a header"), 8);
});

t.test("bad files: one error each, without the path", async (t) => {
  const huge = "60000 60000 60000";
  const cases: Array<[string, string, string | undefined]> = [
    [".mha", meta(), "E_FILE_FORMAT"],
    [".mha", meta({ DimSize: huge }), "E_FILE_TOO_LARGE"],
    [".mha", meta({ DimSize: "4 3 -2" }), "E_FILE_FORMAT"],
    [".mha", meta({ DimSize: "4 3" }), "E_FILE_FORMAT"],
    [".mha", meta({ NDims: "4" }), "E_FILE_UNSUPPORTED"],
    [".mha", meta({ ElementType: "MET_OTHER" }), "E_FILE_UNSUPPORTED"],
    [".mha", meta({ ElementNumberOfChannels: "3" }), "E_FILE_UNSUPPORTED"],
    [".mha", meta({ ElementSpacing: "0 1 1" }), "E_FILE_FORMAT"],
    [".mha", meta({ CompressedData: "True" }).concat("noise"), "E_FILE_FORMAT"],
    [".mhd", meta({ ElementDataFile: "../../../etc/passwd" }), "E_FILE_FORMAT"],
    [".mhd", meta({ ElementDataFile: "none.raw" }), "E_FILE_FORMAT"],
    [".mhd", meta({ ElementDataFile: "LIST" }), "E_FILE_UNSUPPORTED"],
    [".mha", "ObjectType = Image\n", "E_FILE_FORMAT"],
    [".nrrd", nrrdText(), "E_FILE_FORMAT"],
    [".nrrd", nrrdText({ sizes: huge }), "E_FILE_TOO_LARGE"],
    [".nrrd", nrrdText({ sizes: "4 3" }), "E_FILE_FORMAT"],
    [".nrrd", nrrdText({ sizes: "4 3 x" }), "E_FILE_FORMAT"],
    [".nrrd", nrrdText({ dimension: "5" }), "E_FILE_UNSUPPORTED"],
    [".nrrd", nrrdText({ type: "block" }), "E_FILE_UNSUPPORTED"],
    [".nrrd", nrrdText({ space: "mars" }), "E_FILE_UNSUPPORTED"],
    [".nrrd", nrrdText({ "space directions": "(0,0,0) (0,0,0) (0,0,0)" }), "E_FILE_FORMAT"],
    [".nrrd", nrrdText({ encoding: "bzip2" }), "E_FILE_UNSUPPORTED"],
    [".nrrd", nrrdText({ encoding: "gzip" }).concat("noise"), "E_FILE_FORMAT"],
    [".nrrd", nrrdText({ encoding: "txt" }).concat("1 2 3"), "E_FILE_FORMAT"],
    [".nhdr", nrrdText({ "data file": "/etc/passwd" }), "E_FILE_FORMAT"],
    [".nhdr", nrrdText({ "data file": "s%03d.raw 1 2 1" }), "E_FILE_UNSUPPORTED"],
    [".nrrd", "NRRD0004\n", "E_FILE_UNSUPPORTED"],
  ];
  for (const [ending, text, code] of cases) {
    const error = await decode(write(ending, text)).then(
      () => undefined,
      (reason) => reason,
    );
    t.equal(error?.code, code, `${text.replace(/\n/g, " ")}: ${error?.message}`);
    t.notOk(error?.message.includes(folder));
  }
});
