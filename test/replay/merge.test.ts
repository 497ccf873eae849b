import t from "tap";
import { capBuffer, mergeBuffers } from "../../lib/index.js";
import type { Buffer } from "../../lib/replay/buffer-file.js";
import { handMade } from "./hand-made.js";

const recordsOf = ({ samples }: Buffer) => samples.map(({ record }) => record);

t.test("a cap takes the farthest of the largest clusters first", async (t) => {
  const buffer = handMade();
  t.equal(capBuffer(buffer, 5), buffer);
  t.equal(capBuffer(buffer, 500), buffer);
  t.same(recordsOf(capBuffer(buffer, 4)), [7, 3, 1, 8], "the third of the cluster of three");
  t.same(recordsOf(capBuffer(buffer, 3)), [7, 3, 1], "then the farther of the two second ones");
  t.same(recordsOf(capBuffer(buffer, 2)), [7, 1], "each cluster keeps its nearest");
  t.same(recordsOf(capBuffer(buffer, 1)), [1]);
  t.match(capBuffer(buffer, 2), { perCluster: 1, clusters: 2, from: 100 });
  t.same(capBuffer(capBuffer(buffer, 4), 2), capBuffer(buffer, 2));
  t.same(recordsOf(buffer), [7, 3, 9, 1, 8], "the buffer itself is left alone");
});

t.test("a cap in bytes counts records in the store", async (t) => {
  t.same(recordsOf(capBuffer(handMade(), "3500B")), [7, 3, 1]);
  t.same(recordsOf(capBuffer(handMade(), "4 kB")), [7, 3, 1, 8]);
  t.throws(() => capBuffer(handMade(), "999B"), { code: "E_CONFIG" });
  t.throws(() => capBuffer(handMade(), "lots"), { code: "E_CONFIG" });
});

t.test("without clusters the samples chosen last go first", async (t) => {
  const samples = handMade().samples.map((sample) => ({ ...sample, cluster: 0 }));
  const herded = handMade({ method: "herding", clusters: 1, perCluster: 5, samples });
  t.same(recordsOf(capBuffer(herded, 3)), [7, 3, 9]);
});

t.test("merged buffers hold each record once", async (t) => {
  const other = handMade({
    checkpoint: "cd".repeat(32),
    data: `${"0".repeat(64)}:200+20`,
    from: 200,
    stage: 4,
    clusters: 1,
    perCluster: 4,
    centres: Float32Array.from([7, 8, 9]),
    samples: [
      { record: 20, cluster: 0, distance: 0.1 },
      { record: 3, cluster: 0, distance: 0.2 },
      { record: 21, cluster: 0, distance: 0.3 },
      { record: 22, cluster: 0, distance: 0.4 },
    ],
  });
  const merged = mergeBuffers([handMade(), other]);
  t.same(recordsOf(merged), [7, 3, 9, 1, 8, 20, 21, 22]);
  t.same(
    merged.samples.map(({ cluster }) => cluster),
    [0, 0, 0, 1, 1, 2, 2, 2],
  );
  t.match(merged, { clusters: 3, perCluster: 3, stage: 4, from: 200, data: other.data });
  t.same(merged.centres, Float32Array.from([...handMade().centres, 7, 8, 9]));
  t.match(merged.checkpoint, /^[0-9a-f]{64}$/);
  t.notSame(merged.checkpoint, handMade().checkpoint);
  t.equal(mergeBuffers([other, handMade()]).checkpoint, merged.checkpoint, "whatever their order");
  const twice = mergeBuffers([handMade(), handMade()]);
  t.same(recordsOf(twice), recordsOf(handMade()));
  t.match(twice, { clusters: 4, checkpoint: handMade().checkpoint });
  t.same(mergeBuffers([handMade()]), handMade());
});

t.test("buffers that do not fit are not merged", async (t) => {
  const others: Array<Partial<Buffer>> = [
    { modality: "ct" },
    { kind: "volume3d" },
    { method: "random" },
    { width: 6, clusters: 1 },
    { recordBytes: 1 },
    { data: `${"1".repeat(64)}:100+10` },
  ];
  for (const change of others) {
    const merge = () => mergeBuffers([handMade(), handMade(change)]);
    t.throws(merge, { code: "E_BUFFER_MISMATCH", exitCode: 2 }, JSON.stringify(change));
  }
  t.throws(() => mergeBuffers([]), { code: "E_ARGUMENT" });
});
