import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { resultLines, showDemo } from "../../lib/cli/demo.js";
import { type DemoHooks, runDemo } from "../../lib/demo/run.js";
import { isFinished } from "../../lib/stages/run-folder.js";
import { startCommand } from "../helpers/command.js";

// A machine shared with other work takes far longer than the few seconds that this needs.
t.setTimeout(600_000);

const options = {
  ...{ out: join(t.testdir(), "demo"), steps: 2, batchSize: 2, threads: 1 },
  sizes: { report: 12, xray: 6, ct: 1, mri: 1, pathology: 6 },
};

function listening(): { hooks: DemoHooks; said: string[]; files: number } {
  const heard = { hooks: {} as DemoHooks, said: [] as string[], files: 0 };
  heard.hooks = {
    say: (line) => heard.said.push(line),
    onFile: () => heard.files++,
  };
  return heard;
}

t.test("from nothing to five stages with pictures and curves", { timeout: 200_000 }, async (t) => {
  const heard = listening();
  const result = await runDemo(options, heard.hooks);
  t.equal(heard.files, 14);
  t.same(
    result.run.stages.map((stage) => stage.modality),
    ["report", "xray", "ct", "mri", "pathology"],
  );
  for (const [earlier, stage] of result.run.stages.entries()) {
    t.match(stage, { steps: 2 + earlier, replaySteps: earlier, samples: 2 * (2 + earlier) });
  }
  t.same(result.packed.rejected, {}, "every file of the corpora is readable");
  const pictures = result.run.stages.flatMap((stage) => stage.reconstructions);
  t.same(
    pictures.map((path) => path.split(".").at(-1)),
    ["md", "png", "png", "png", "png"],
  );
  for (const path of [...pictures, "final/model.safetensors"]) {
    t.ok(existsSync(join(result.run.out, path)), path);
  }
  t.ok(existsSync(result.curves.png));
  const lines = resultLines(result, 12.3).join("\n");
  t.match(lines, /stage +samples +loss before +loss after/);
  for (const path of [result.run.out, result.store, result.curves.png, "Done in 12 s"]) {
    t.ok(lines.includes(path), path);
  }
});

t.test(
  "again: corpora, store and the finished run stay, a new run is made",
  { timeout: 200_000 },
  async (t) => {
    const before = readFileSync(join(options.out, "run", "metrics.jsonl"));
    const painted = statSync(join(options.out, "data", "demo.json")).mtimeMs;
    await showDemo(options);
    t.equal(statSync(join(options.out, "data", "demo.json")).mtimeMs, painted);
    t.ok(await isFinished(join(options.out, "run-2")));
    t.same(readFileSync(join(options.out, "run", "metrics.jsonl")), before);
  },
);

t.test("a run that was interrupted is gone on with", { timeout: 200_000 }, async (t) => {
  rmSync(join(options.out, "run-2"), { recursive: true });
  const stop = new AbortController();
  const hooks: DemoHooks = { signal: stop.signal, onStep: () => stop.abort() };
  await t.rejects(runDemo(options, hooks), { code: "E_INTERRUPTED" });
  const heard = listening();
  const result = await runDemo(options, heard.hooks);
  t.equal(heard.files, 0, "nothing is painted again");
  t.ok(result.packed.modalities.every((modality) => modality.added === 0));
  t.match(
    heard.said.join("\n"),
    /earlier demo[\s\S]*using those in[\s\S]*1 finished before[\s\S]*going on with/,
  );
  t.equal(result.run.out, join(options.out, "run-2"));
  t.equal(result.run.stages.length, 5);
});

t.test("a folder of something else is left alone", async (t) => {
  const out = join(t.testdir(), "mine");
  mkdirSync(out);
  writeFileSync(join(out, "notes.txt"), "mine");
  const { code, stderr } = await startCommand(["demo", "--out", out]).done;
  t.equal(code, 2);
  t.match(stderr, /^E_DEMO_FOLDER: .*\n$/);
  await t.rejects(runDemo({ ...options, out }), { code: "E_DEMO_FOLDER", values: { path: out } });
  await t.rejects(runDemo({ ...options, out: join(out, "notes.txt") }), { code: "ENOTDIR" });
});
