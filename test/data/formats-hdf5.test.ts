import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { File as Hdf5File, ready } from "h5wasm/node";
import t from "tap";
import { hdf5 } from "../../lib/data/formats/hdf5.js";
import { packageRoot } from "../helpers/package-root.js";
import { packDefaults } from "../helpers/packing.js";

await ready;
const folder = t.testdir();
const options = packDefaults();
let number = 0;

function write(name: string, data: unknown, shape: number[], dtype: string): string {
  const path = join(folder, `${number++}.h5`);
  const file = new Hdf5File(path, "w");
  file.create_dataset({ name, data: data as Float32Array, shape, dtype });
  file.close();
  return path;
}

/** [i,j,k] with the value i + 10 j + 100 k. */
const values = (make: (n: number[]) => unknown) =>
  make(
    Array.from(
      { length: 24 },
      (_, n) => Math.floor(n / 6) + 10 * (Math.floor(n / 2) % 3) + 100 * (n % 2),
    ),
  );

t.test("the volume's axes are i, j, k of the data set", async (t) => {
  const kinds: Array<[unknown, string, string]> = [
    [values((n) => Float32Array.from(n)), "<f", "float32"],
    [values((n) => Float64Array.from(n)), "<d", "float64"],
    [values((n) => Uint8Array.from(n.map((v) => v % 256))), "<B", "uint8"],
    [values((n) => Int16Array.from(n)), "<h", "int16"],
    [values((n) => BigInt64Array.from(n.map(BigInt))), "<q", "int64"],
  ];
  for (const [data, dtype, name] of kinds) {
    const volume = await hdf5.decode(write("image", data, [4, 3, 2], dtype), options);
    t.match(volume, { shape: [2, 3, 4], storedShape: [2, 3, 4], dtype: name });
    t.equal(volume.spacingMm, undefined);
    t.equal(volume.voxels[23], 100, "the last voxel is i = 0, j = 0, k = 1");
    t.equal(volume.voxels[0], 23, "the first is i = 3, j = 2, k = 0");
  }
});

t.test("another data set by its name; axes of length 1 in front are left out", async (t) => {
  const path = write(
    "scan",
    values((n) => Float32Array.from(n)),
    [1, 4, 3, 2],
    "<f",
  );
  t.same((await hdf5.decode(path, { ...options, hdf5Dataset: "scan" })).shape, [2, 3, 4]);
});

t.test("bad files", async (t) => {
  const path = write("label", new Uint8Array(24), [4, 3, 2], "<B");
  await t.rejects(hdf5.decode(path, options), {
    code: "E_FILE_FORMAT",
    message: /no data set image/,
  });
  const flat = write("image", new Uint8Array(24), [12, 2], "<B");
  await t.rejects(hdf5.decode(flat, options), { code: "E_FILE_UNSUPPORTED", message: /12, 2/ });
  const words = write("image", ["a", "b"], [1, 1, 2], "S1");
  await t.rejects(hdf5.decode(words, options), { code: "E_FILE_FORMAT", message: /numbers/ });
  const noise = join(folder, "noise.h5");
  writeFileSync(
    noise,
    Buffer.concat([Buffer.from("\x89HDF\r\n\x1a\n", "latin1"), Buffer.alloc(4000, 3)]),
  );
  await t.rejects(hdf5.decode(noise, options), { code: "E_FILE_FORMAT" });
  const small = { ...options, limits: { ...options.limits, voxels: 10 } };
  const good = write("image", new Uint8Array(24), [4, 3, 2], "<B");
  await t.rejects(hdf5.decode(good, small), { code: "E_FILE_TOO_LARGE" });
});

t.test("what the library reads without a word is refused: damage, unknown filters", async (t) => {
  const read = (name: string) =>
    hdf5.decode(join(packageRoot, "test/fixtures/hdf5", name), options);
  const good = await read("good.h5");
  t.same(good.shape, [6, 7, 8]);
  // The last voxel is i = 0, j = 0, k = 5; values are 37 n modulo 251.
  t.equal(good.voxels.at(-1), (37 * 5) % 251);
  for (const [name, code, message] of [
    ["damaged-gzip.h5", "E_FILE_FORMAT", /its voxels are damaged/],
    ["damaged-sum.h5", "E_FILE_FORMAT", /its voxels are damaged/],
    ["lzf.h5", "E_FILE_UNSUPPORTED", /packed with lzf/],
    ["float16.h5", "E_FILE_UNSUPPORTED", /float16/],
    ["truncated.h5", "E_FILE_FORMAT", /damaged or ends early/],
  ] as const) {
    await t.rejects(read(name), { code, message }, name);
  }
  t.same((await read("good.h5")).voxels, good.voxels, "and the next file is read as before");
});

t.test("a link to another file is not followed", async (t) => {
  const target = write(
    "image",
    values((n) => Float32Array.from(n)),
    [4, 3, 2],
    "<f",
  );
  const path = join(folder, "link.h5");
  const file = new Hdf5File(path, "w");
  file.create_external_link(target, "image", "image");
  file.create_external_link(target, "/", "other");
  file.close();
  for (const hdf5Dataset of ["image", "other/image"]) {
    await t.rejects(hdf5.decode(path, { ...options, hdf5Dataset }), {
      code: "E_FILE_FORMAT",
      message: /a link to another file/,
    });
  }
});
