import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import t from "tap";
import { pack } from "../../lib/data/pack/index.js";
import { startCommand } from "../helpers/command.js";
import { writeCorpus, writeImage } from "../helpers/corpus.js";
import { packageRoot } from "../helpers/package-root.js";

t.setTimeout(120_000);
const folder = t.testdir();
const { images, report } = await writeCorpus(folder);
const sizes = ["preprocessing.xray.size=16", "preprocessing.report.length=12", "workers=2"].flatMap(
  (value) => ["--set", value],
);
const run = (out: string, env = {}, xray = images) =>
  startCommand(["pack", "--out", out, "--xray", xray, "--reports", report.path, ...sizes], env);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

/** Whether a process runs; one that has ended may stand in the list until somebody asks for its end. */
function lives(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

t.test("killed at any moment, a run goes on to the same store", async (t) => {
  const whole = join(folder, "whole");
  t.equal((await run(whole).done).code, 0);
  const out = join(folder, "killed");
  const moments = [
    () => existsSync(join(out, "xray/00000.safetensors.partial")),
    () => existsSync(join(out, "index.json")),
    () => existsSync(join(out, "report/00000.safetensors.partial")),
  ];
  for (const moment of moments) {
    const running = run(out);
    let ended = false;
    void running.done.then(() => {
      ended = true;
    });
    // A run may be over before anybody sees the moment.
    await until(() => ended || moment());
    running.child.kill("SIGKILL");
    await running.done;
  }
  t.equal((await run(out).done).code, 0);
  const index = (store: string) => JSON.parse(readFileSync(join(store, "index.json"), "utf8"));
  t.same(index(out), index(whole));
  for (const name of [
    "rejected.jsonl",
    "xray/00000.safetensors",
    "xray/00000.sources.jsonl",
    "report/00000.safetensors",
  ]) {
    t.ok(readFileSync(join(out, name)).equals(readFileSync(join(whole, name))), name);
  }
});

t.test("a second run is refused; no decoding process outlives a killed one", async (t) => {
  const hanging = join(folder, "slow");
  mkdirSync(hanging);
  await writeImage(join(hanging, "hang.png"), 1);
  const fixture = pathToFileURL(join(packageRoot, "test/fixtures/decoder/misbehave.mjs"));
  const env = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${fixture}`.trim() };
  const out = join(folder, "twice");
  const running = run(out, env, hanging);
  await until(() => existsSync(join(hanging, "hang.png.begun")));
  const sources = [{ modality: "xray", recipe: "xray" as const, path: images }];
  await t.rejects(pack({ out, sources }), {
    code: "E_RUN_LOCKED",
    message: new RegExp(`process ${running.child.pid}`),
  });
  const { pid } = running.child;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  t.ok(children.length > 0);
  running.child.kill("SIGKILL");
  await running.done;
  await until(() => !children.some(lives));
});
