import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { pack } from "../../lib/data/pack/index.js";
import { readRejected, readStore, small, writeImage } from "../helpers/corpus.js";
import { packageRoot } from "../helpers/package-root.js";

t.setTimeout(120_000);
const folder = t.testdir();
const fixture = join(packageRoot, "test/fixtures/decoder/misbehave.mjs");
const before = process.env.NODE_OPTIONS ?? "";
const preload = (path: string) => {
  process.env.NODE_OPTIONS = `${before} --import=${pathToFileURL(path)}`.trim();
};
t.teardown(() => {
  process.env.NODE_OPTIONS = before;
});

/** A folder of images called `names`, each with its number as the value of its left side. */
async function images(name: string, names: string[]) {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [i, stem] of names.entries()) await writeImage(join(path, `${stem}.png`), i);
  return [{ modality: "xray", recipe: "xray" as const, path }];
}

t.test("a file whose decoder crashes, hangs or takes all memory costs that file", async (t) => {
  preload(fixture);
  const names = ["a", "b-crash", "c", "d-hang", "e-heap", "f", "g-hog", "h"];
  const sources = await images("bad", names);
  const out = join(folder, "s-bad");
  const limits = { seconds: 4, memoryBytes: 2 ** 30 };
  const result = await pack({ out, sources, ...small, limits });
  t.match(result.modalities, [{ added: 4, rejected: 4 }]);
  t.same(readRejected(out), [
    {
      modality: "xray",
      path: "bad/b-crash.png",
      code: "E_FILE_FORMAT",
      reason: "Not a xray file that can be decoded: its decoder crashed",
    },
    {
      modality: "xray",
      path: "bad/d-hang.png",
      code: "E_FILE_TIME",
      reason: "Decoding the file took over 4 s",
    },
    ...["e-heap", "g-hog"].map((name) => ({
      modality: "xray",
      path: `bad/${name}.png`,
      code: "E_FILE_MEMORY",
      reason: "Decoding the file took over 1.0 GiB of memory",
    })),
  ]);
  t.same(await readStore(out, "xray", "all"), [[0], [2], [5], [7]], "in the order of their names");
});

t.test("no file pays for the memory that another one left behind", async (t) => {
  preload(fixture);
  const sources = await images("leaks", ["a", "b-leak", "c-leak"]);
  const limits = { memoryBytes: 3 * 2 ** 28 };
  const result = await pack({ out: join(folder, "s-leaks"), sources, ...small, limits });
  t.match(result.modalities, [{ added: 3, rejected: 0 }]);
});

t.test("decoding processes that cannot start are no file's fault", async (t) => {
  const broken = join(folder, "broken.mjs");
  writeFileSync(broken, "throw new Error('no such luck');\n");
  preload(broken);
  const sources = await images("none", ["a"]);
  const out = join(folder, "s-none");
  await t.rejects(pack({ out, sources, ...small }), {
    code: "E_INTERNAL",
    message: /does not start.*no such luck/,
  });
  t.throws(() => readFileSync(join(out, "rejected.jsonl")));
});
