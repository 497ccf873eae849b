import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { runCommandLine } from "../helpers/command.js";
import { microStore, microTraining } from "../helpers/micro.js";

async function prepare(folder: string): Promise<{ common: string[]; out: string }> {
  const store = await microStore(folder);
  const config = join(folder, "run.json");
  writeFileSync(config, JSON.stringify(microTraining));
  const out = join(folder, "run");
  return { common: ["pretrain", "--store", store, "--out", out, "--config", config], out };
}

t.setTimeout(120_000);

t.test("a run prints a table, its progress goes to stderr", async (t) => {
  const { common, out } = await prepare(t.testdir());
  const first = await runCommandLine([...common, "--max-steps", "3", "--stages", "report,xray"]);
  t.match(first, { code: 0, stderr: /report .* 3\/3 [\s\S]*xray .* 4\/4 / });
  const lines = first.stdout.split("\n");
  t.match(
    lines[0],
    /^stage +steps +of them replay +samples +training loss +held-out loss +samples\/s/,
  );
  t.match(lines[2], /^1 report +3 +0 +12 /);
  t.match(lines[3], /^2 xray +4 +1 +16 /);
  t.match(
    first.stdout,
    `Run          ${out}\nNetwork      ${join(out, "final/model.safetensors")}\nLoss curves  ${join(out, "losses.png")}`,
  );
  const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
  t.match(config, { maxSteps: 3, stages: ["report", "xray"], batchSize: 4 });
  const again = await runCommandLine([...common, "--resume", "--max-steps", "3", "--json"]);
  t.match(again, { code: 0, stderr: "" });
  t.match(JSON.parse(again.stdout), {
    alreadyFinished: true,
    stages: [{ steps: 3 }, { steps: 4, replaySteps: 1 }],
  });
  const refused = await runCommandLine([...common, "--resume"]);
  t.match(refused, { code: 2, stderr: /^E_RUN_CHANGED: .*maxSteps: 3 -> unset/ });
  t.match(await runCommandLine(common), { code: 2, stderr: /^E_RUN_EXISTS: / });
});

t.test("a dry run tells what the run would take and writes nothing", async (t) => {
  const { common, out } = await prepare(t.testdir());
  const [text, json] = await Promise.all([
    runCommandLine([...common, "--dry-run"]),
    runCommandLine([...common, "--dry-run", "--json"]),
  ]);
  t.match(text, {
    code: 0,
    stdout: /1 report +12 +6 +0 [\s\S]*Parameters [\s\S]*Time [\s\S]*Memory [\s\S]*Disk /,
  });
  const plan = JSON.parse(json.stdout);
  t.same(
    plan.stages.map(({ modality, steps, replaySteps }: Record<string, unknown>) => [
      ...[modality, steps, replaySteps],
    ]),
    [
      ["report", 6, 0],
      ["xray", 8, 2],
      ["ct", 8, 4],
    ],
  );
  t.ok(plan.seconds > 0 && plan.memoryBytes > 0 && plan.diskAvailable > plan.diskBytes);
  t.notOk(existsSync(out));
});

t.test("what will not fit is refused with what it needs", async (t) => {
  const { common } = await prepare(t.testdir());
  const wide = `model=${JSON.stringify({ ...microTraining.model, encoderWidth: 96_000 })}`;
  const [memory, disk, batch, modality, device] = await Promise.all([
    runCommandLine([...common, "--dry-run", "--set", wide]),
    runCommandLine([...common, "--dry-run", "--out", "/proc/run"]),
    runCommandLine([...common, "--batch-size", "100", "--dry-run"]),
    runCommandLine([...common, "--stages", "mri"]),
    runCommandLine([...common, "--device", "gpu"]),
  ]);
  t.match(memory, { code: 2, stderr: /^E_NOT_ENOUGH_MEMORY: .*iB of memory and .*iB is free/ });
  t.match(disk, { code: 2, stderr: /^E_NOT_ENOUGH_DISK: .*at \/proc\/run/ });
  t.match(batch, {
    code: 2,
    stderr:
      /^E_BATCH_TOO_LARGE: A batch of 100 is more than the training samples of report \(12\), xray \(\d+\), ct \(\d+\)\. Add --batch-size \d+, or a smaller one\.\n$/,
  });
  t.match(modality, {
    code: 1,
    stderr: /^E_NO_MODALITY: .*It has: report, xray, ct\. Name one of these, or pack it\.$/m,
  });
  t.match(device, {
    code: 2,
    stderr: /^E_CONFIG: --device: expected cpu, cuda or cuda:N, received gpu\. /,
  });
});
