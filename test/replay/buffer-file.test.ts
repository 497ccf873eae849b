import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { type Buffer, readBuffer, writeBuffer } from "../../lib/replay/buffer-file.js";
import { handMade } from "./hand-made.js";

t.test("a buffer comes back as it was written", async (t) => {
  const folder = t.testdir();
  const path = join(folder, "buffer.json");
  const buffer = handMade();
  await writeBuffer(path, buffer);
  t.same(await readBuffer(path), buffer);
  t.same(await readBuffer(folder), buffer, "by its folder");
  const own = handMade({ modality: "Ultraschall (Abdomen) 2.1" });
  await writeBuffer(join(folder, "own.json"), own);
  t.same(await readBuffer(join(folder, "own.json")), own, "of a modality of one's own");
  const text = readFileSync(path, "utf8");
  t.equal(text.split("\n").filter((line) => line.includes('"record"')).length, 5);
  const json = JSON.parse(text);
  t.match(json, { format: "medcoss-buffer", version: 1, samples: buffer.samples });
  const floats = new Float32Array(
    Uint8Array.from(globalThis.Buffer.from(json.centres, "base64")).buffer,
  );
  t.same(floats, buffer.centres);
});

t.test("no buffer is told from a damaged one", async (t) => {
  const folder = t.testdir();
  for (const path of [folder, join(folder, "none.json"), join(folder, "none", "none.json")]) {
    await t.rejects(readBuffer(path), { code: "E_NO_BUFFER" }, path);
  }
  const odd = join(folder, "odd");
  mkdirSync(join(odd, "buffer.json"), { recursive: true });
  await t.rejects(readBuffer(odd), { code: "E_BUFFER_CORRUPT" });
});

const changes: Record<string, unknown> = {
  "another format": { format: "other" },
  "another version": { version: 2 },
  "an unknown field": { extra: 1 },
  "a path as modality": { modality: "../../etc" },
  "a folder as modality": { modality: ".." },
  "lines as modality": { modality: "a\nb" },
  "an unknown method": { method: "magic" },
  "a digest that is none": { checkpoint: "abc" },
  "no clusters": { clusters: 0 },
  "a huge number of clusters": { clusters: 1e15 },
  "a huge width": { width: 2 ** 31 },
  "more clusters than centres": { clusters: 3 },
  "fewer clusters than centres": { clusters: 1 },
  "text as centres": { centres: "*".repeat(32) },
  "centres that are not finite": {
    centres: globalThis.Buffer.from(new Float32Array(6).fill(Number.NaN).buffer).toString("base64"),
  },
  "more samples than there were": { from: 4 },
  "too many in a cluster": { perCluster: 1 },
  "samples that are none": { samples: [1, 2] },
  "a record twice": {
    samples: [
      { record: 1, cluster: 0, distance: 0 },
      { record: 1, cluster: 1, distance: 0 },
    ],
  },
  "a cluster that is not there": { samples: [{ record: 1, cluster: 2, distance: 0 }] },
  "a negative record": { samples: [{ record: -1, cluster: 0, distance: 0 }] },
  "half a record": { samples: [{ record: 0.5, cluster: 0, distance: 0 }] },
  "a distance that is none": { samples: [{ record: 1, cluster: 0, distance: null }] },
  "a negative distance": { samples: [{ record: 1, cluster: 0, distance: -1 }] },
};

t.test("hostile files cost one line", async (t) => {
  const folder = t.testdir();
  const path = join(folder, "buffer.json");
  await writeBuffer(path, handMade());
  const good = readFileSync(path, "utf8");
  const refused = async (text: string, name: string) => {
    writeFileSync(path, text);
    const error = await readBuffer(path).then(
      () => undefined,
      (reason) => reason,
    );
    t.match(error, { code: "E_BUFFER_CORRUPT", exitCode: 1 }, name);
    t.notMatch(error?.toLine() ?? "", /\n/, name);
    t.ok((error?.toLine() ?? "").length < 400 + path.length, name);
  };
  for (const [name, change] of Object.entries(changes)) {
    await refused(JSON.stringify({ ...JSON.parse(good), ...(change as object) }), name);
  }
  for (const text of ["", "null", "[]", '"x"', good.slice(0, -20), "[".repeat(1e5), "\0\n\0"]) {
    await refused(text, JSON.stringify(text.slice(0, 10)));
  }
  writeFileSync(path, "");
  truncateSync(path, 2 ** 27 + 1);
  await t.rejects(readBuffer(path), { code: "E_BUFFER_CORRUPT", message: /over/ });
});

t.test("a buffer that could not be read again is not written", async (t) => {
  const path = join(t.testdir(), "buffer.json");
  const clusters = 2 ** 15;
  const centres = new Float32Array(clusters * 800);
  const large: Buffer = { ...handMade(), clusters, width: 800, centres };
  await t.rejects(writeBuffer(path, large), { code: "E_ARGUMENT" });
  await t.rejects(readBuffer(path), { code: "E_NO_BUFFER" });
});
