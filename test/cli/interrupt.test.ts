import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { runCommandLine, startCommand } from "../helpers/command.js";
import { microStore, microTraining } from "../helpers/micro.js";

const steps = 1500;

async function prepare(folder: string): Promise<string[]> {
  const store = await microStore(folder);
  const config = join(folder, "run.json");
  const settings = { ...microTraining, epochs: 1000, maxSteps: steps, reconstructions: 0 };
  writeFileSync(config, JSON.stringify({ ...settings, validateEvery: steps }));
  return ["pretrain", "--store", store, "--config", config, "--stages", "xray"];
}

const model = (out: string) =>
  readFileSync(join(out, "final", "model.safetensors")).toString("base64");

/** Waits until `count` steps are logged. */
async function logged(out: string, count: number): Promise<void> {
  const path = join(out, "metrics.jsonl");
  while (!existsSync(path) || readFileSync(path, "utf8").split("\n").length < count) {
    await sleep(10);
  }
}

t.setTimeout(120_000);

t.test("Ctrl-C and SIGTERM save and exit 130; the run goes on to the same weights", async (t) => {
  const folder = t.testdir();
  const common = await prepare(folder);
  const whole = join(folder, "whole");
  t.equal((await runCommandLine([...common, "--out", whole])).code, 0);
  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    const out = join(folder, signal);
    const args = [...common, "--out", out, "--set", "checkpoint.steps=50"];
    const running = startCommand(args);
    await logged(out, 120);
    running.child.kill(signal);
    const outcome = await running.done;
    if (signal === "SIGKILL") {
      t.equal(outcome.signal, signal);
      t.ok(existsSync(join(out, "lock")), "a killed process leaves its lock");
    } else {
      t.match(outcome, { code: 130, stderr: /E_INTERRUPTED: Interrupted; a checkpoint was saved/ });
    }
    const state = join(out, "stages", "01-xray", "checkpoint", "state.json");
    const { step } = JSON.parse(readFileSync(state, "utf8"));
    t.ok(step >= 50 && step < steps, `${signal} after ${step} steps`);
    t.equal((await runCommandLine([...args, "--resume"])).code, 0);
    t.equal(model(out), model(whole), signal);
  }
});

t.test("a second Ctrl-C ends the process at once", async (t) => {
  const folder = t.testdir();
  const common = await prepare(folder);
  const out = join(folder, "run");
  const running = startCommand([...common, "--out", out, "--set", "maxSteps=100000"]);
  await logged(out, 20);
  running.child.kill("SIGINT");
  running.child.kill("SIGINT");
  running.child.kill("SIGTERM");
  const { code } = await running.done;
  t.equal(code, 130);
});

t.test("a folder in use is refused", async (t) => {
  const folder = t.testdir();
  const common = await prepare(folder);
  const out = join(folder, "run");
  const running = startCommand([...common, "--out", out]);
  await logged(out, 20);
  const second = await runCommandLine([...common, "--out", out, "--resume"]);
  t.match(second, {
    code: 1,
    stderr: new RegExp(`^E_RUN_LOCKED: .*: kill -INT ${running.child.pid}\n$`),
  });
  running.child.kill("SIGKILL");
  await running.done;
});
