import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { Draws, Purpose } from "../../lib/random.js";
import { type Running, runCommandLine, startCommand } from "../helpers/command.js";
import { microStore, microTraining } from "../helpers/micro.js";

t.setTimeout(240_000);

const folder = t.testdir();
const store = await microStore(folder);
const config = join(folder, "run.json");
/** Everything happens often and long enough to be hit: saving after each step, hundreds of runs of k-means. */
const settings = {
  ...microTraining,
  reconstructions: 1,
  checkpoint: { steps: 1 },
  buffer: { share: 0.6, centres: 0.3, restarts: 300 },
};
writeFileSync(config, JSON.stringify(settings));
const command = (out: string) =>
  ["pretrain", "--store", store, "--config", config, "--out", out, "--resume"] as const;

/** Kills the process and all that it started. */
function kill({ child }: Running): void {
  try {
    process.kill(-(child.pid as number), "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const stageNames = ["01-report", "02-xray", "03-ct"];

type Phase =
  | "starting"
  | "in a step"
  | "saving"
  | "choosing the buffer"
  | "drawing"
  | "between stages"
  | "writing the final model"
  | "finished";

/** What the run is about, as its folder tells. */
function phase(out: string): Phase {
  const folders = stageNames.map((name) => join(out, "stages", name));
  if (existsSync(join(out, "final"))) return "finished";
  const at = folders.findIndex((name) => !existsSync(join(name, "summary.json")));
  if (at < 0) return "writing the final model";
  const stage = folders[at] as string;
  if (existsSync(join(stage, ".checkpoint.tmp"))) return "saving";
  const state = readState(stage);
  if (state === undefined) return at > 0 ? "between stages" : "starting";
  if (state.step < (steps[at] as number)) return "in a step";
  return existsSync(join(stage, "buffer.json")) ? "drawing" : "choosing the buffer";
}

function readState(stage: string): { step: number } | undefined {
  try {
    return JSON.parse(readFileSync(join(stage, "checkpoint", "state.json"), "utf8"));
  } catch {
    return undefined;
  }
}

const withoutTimes = new Set(["time", "samplesPerSecond", "waitMs", "seconds"]);
const timeless = (text: string) =>
  JSON.parse(text, (key, value) => (withoutTimes.has(key) ? undefined : value));

/** All that a run leaves behind, without what tells the time. */
function outcome(out: string): Map<string, unknown> {
  const files = new Map<string, unknown>();
  for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
    const path = join(out, name);
    if (name.startsWith("events.") || statSync(path).isDirectory()) continue;
    const text = readFileSync(path, "latin1");
    if (name === "metrics.jsonl") files.set(name, text.trim().split("\n").map(timeless));
    else if (name.endsWith("summary.json")) files.set(name, timeless(text));
    else if (name !== "config.json") files.set(name, text);
  }
  return files;
}

/** Waits until the process owns the folder, as the time before that is the interpreter's. */
async function owned({ child }: Running, out: string): Promise<void> {
  const mine = `"pid":${child.pid},`;
  const lock = join(out, "lock");
  while (child.exitCode === null && child.signalCode === null) {
    try {
      if (readFileSync(lock, "utf8").includes(mine)) return;
    } catch {}
    await sleep(2);
  }
}

const whole = join(folder, "whole");
const undisturbed = startCommand(command(whole), {}, { group: true });
await owned(undisturbed, whole);
const begun = performance.now();
t.match(await undisturbed.done, { code: 0 });
/** Milliseconds from the first write to the end. */
const duration = performance.now() - begun;
const expected = outcome(whole);
const steps = stageNames.map(
  (name) => (readState(join(whole, "stages", name)) as { step: number }).step,
);

async function resumeToTheEnd(t: Test, out: string): Promise<void> {
  const last = await runCommandLine(command(out));
  t.equal(last.code, 0, last.stderr);
  const found = outcome(out);
  t.same([...found.keys()].sort(), [...expected.keys()].sort(), "the same files");
  for (const [name, content] of expected) {
    if (typeof content === "string") t.ok(found.get(name) === content, `${name} byte for byte`);
    else t.same(found.get(name), content, name);
  }
}

const draws = new Draws(4, 0, 0, Purpose.sampleOrder);

/** Starts the run, kills it once `moment` has come, and tells what it was about; undefined where it had ended. */
async function killed(
  out: string,
  moment: (running: Running) => Promise<void>,
): Promise<Phase | undefined> {
  const running = startCommand(command(out), {}, { group: true });
  await owned(running, out);
  await moment(running);
  kill(running);
  const { signal } = await running.done;
  return signal && phase(out);
}

/** At random moments; each kill has its own part of the time, as what was done before is not done again. */
async function atRandom(t: Test, number: number, kills: number): Promise<Array<Phase | undefined>> {
  const out = join(folder, `random-${number}`);
  const hit: Array<Phase | undefined> = [];
  for (let at = 0; at < kills; at++) {
    const delay = (draws.uniform(number, at) * 2 * duration) / (kills + 1);
    hit.push(await killed(out, () => sleep(delay)));
  }
  await resumeToTheEnd(t, out);
  return hit;
}

const wanted: Phase[] = [
  ...(["saving", "choosing the buffer", "between stages", "in a step"] as const),
  ...(["choosing the buffer", "drawing", "saving", "writing the final model"] as const),
];

/** While the run is about one thing after another. */
async function inPhases(t: Test): Promise<Array<Phase | undefined>> {
  const out = join(folder, "phases");
  const hit: Array<Phase | undefined> = [];
  for (const each of wanted) {
    const comes = async ({ child }: Running) => {
      while (phase(out) !== each && child.exitCode === null) await sleep(1);
    };
    hit.push(await killed(out, comes));
  }
  await resumeToTheEnd(t, out);
  return hit;
}

t.test("kill -9 at any moment, again and again, changes nothing in the end", async (t) => {
  const random = async () => [...(await atRandom(t, 0, 3)), ...(await atRandom(t, 1, 3))];
  const hit = (await Promise.all([random(), inPhases(t)])).flat();
  t.comment(`${duration.toFixed(0)} ms undisturbed; killed while ${hit.join(", ")}`);
  const met = new Set(hit);
  for (const each of ["in a step", "saving", "choosing the buffer"] as const) {
    t.ok(met.has(each), `killed while ${each}`);
  }
  const count = hit.filter((each) => each !== undefined).length;
  t.ok(count >= 10, `${count} of ${hit.length} kills met a running process`);
});

t.test("SIGTERM saves after the running step and exits 130", async (t) => {
  const out = join(folder, "terminated");
  const rare = [...command(out), "--set", "checkpoint.steps=1000"];
  const running = startCommand(rare);
  const replays = () => {
    const path = join(out, "metrics.jsonl");
    return existsSync(path) && readFileSync(path, "utf8").includes('"stage":2');
  };
  while (!replays() && running.child.exitCode === null) await sleep(1);
  running.child.kill("SIGTERM");
  t.match(await running.done, { code: 130, stderr: /E_INTERRUPTED/ });
  const rows = outcome(out).get("metrics.jsonl") as Array<{ step: number }>;
  t.equal(readState(join(out, "stages", "02-xray"))?.step, rows.at(-1)?.step);
  t.equal((await runCommandLine([...rare, "--resume"])).code, 0);
  const model = join("final", "model.safetensors");
  for (const name of [model, "metrics.jsonl"]) t.same(outcome(out).get(name), expected.get(name));
});
