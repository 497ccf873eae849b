import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readBuffer, Trainer, writeBuffer } from "../../lib/index.js";
import { runCommandLine, startCommand } from "../helpers/command.js";
import { microModel, microStore } from "../helpers/micro.js";
import { handMade } from "./hand-made.js";

t.setTimeout(120_000);

const folder = t.testdir();
const store = await microStore(folder);
const trainer = await Trainer.create({ size: microModel, threads: 1 });
await trainer.save(folder);
await trainer.close();
const config = join(folder, "network.json");
writeFileSync(config, JSON.stringify({ model: microModel, threads: 1 }));
const network = ["--checkpoint", folder, "--store", store, "--modality", "ct", "--config", config];

t.test("buffer makes, inspect tells", async (t) => {
  const out = join(folder, "ct", "buffer.json");
  const options = ["--share", "0.5", "--centres", "0.3", "--restarts", "3", "--batch-size", "4"];
  const made = await runCommandLine(["buffer", ...network, "--out", out, ...options]);
  t.match(made, { code: 0, stderr: /features .* 9\/9[\s\S]*selection .* 3\/3/ });
  t.match(
    made.stdout,
    /^Buffer .*\nHolds +[234] of 9 samples of ct \(\d+ %\), [\d.]+ KiB of records\n/,
  );
  t.match(made.stdout, /Chosen +by kmeans around 2 centres, at most 2 each\n/);
  const [text, json] = await Promise.all([
    runCommandLine(["inspect", out]),
    runCommandLine(["inspect", out, "--json"]),
  ]);
  t.equal(text.stdout, made.stdout);
  const found = JSON.parse(json.stdout);
  t.match(found, { kind: "buffer", modality: "ct", input: "volume3d", clusters: 2 });
  const random = await runCommandLine([
    ...["buffer", "build", ...network, "--out", out, "--method", "random", "--share", "1"],
    ...["--budget", "2", "--seed", "5", "--json"],
  ]);
  t.match(random, { code: 0 });
  t.match(JSON.parse(random.stdout), { method: "random", samples: 2, from: 9, seed: 5 });
  t.match(await readBuffer(out), { method: "random", seed: 5 });
});

t.test("buffers are merged, capped and exported", async (t) => {
  const [one, two] = [join(folder, "one.json"), join(folder, "two.json")];
  const data = `${"0".repeat(64)}:9+0`;
  const samples = handMade().samples;
  const ct = { modality: "ct", kind: "volume3d" as const, data };
  await writeBuffer(one, handMade({ ...ct, samples: samples.slice(0, 3) }));
  await writeBuffer(
    two,
    handMade({ ...ct, samples: samples.slice(2).map((each) => ({ ...each })) }),
  );
  const out = join(folder, "merged.json");
  const merged = await runCommandLine(["buffer", "merge", one, two, "--out", out, "--json"]);
  t.match(merged, { code: 0 });
  t.match(JSON.parse(merged.stdout), { samples: 5, clusters: 4, usedClusters: 2 });
  const text = await runCommandLine(["inspect", out]);
  t.match(text.stdout, /around 4 centres, 2 without samples, at most 3 each/);
  const small = join(folder, "small.json");
  const capped = await runCommandLine(["buffer", "cap", out, "--out", small, "--budget", "3kB"]);
  t.match(capped, { code: 0, stdout: /Holds +3 of 100 samples/ });
  const again = ["buffer", "merge", one, two, "--out", small, "--budget", "2"];
  t.match(await runCommandLine(again), { code: 0, stdout: /Holds +2 of / });
  const lines = Array.from({ length: 9 }, (_, i) => `{"source":"scans/${i}.nii"}`);
  writeFileSync(join(store, "ct/00000.sources.jsonl"), `${lines.join("\n")}\n`);
  const list = join(folder, "list.txt");
  const exported = ["buffer", "export", small, "--store", store, "--out", list];
  await writeBuffer(small, handMade({ ...ct, samples: samples.slice(0, 2) }));
  t.match(await runCommandLine(exported), { code: 0, stdout: `2 samples, 2 paths -> ${list}\n` });
  t.equal(readFileSync(list, "utf8"), "scans/7.nii\nscans/3.nii\n");
  const json = await runCommandLine([...exported, "--json"]);
  t.match(JSON.parse(json.stdout), { form: "txt", entries: 2 });
});

t.test("embed writes features and names", async (t) => {
  const out = join(folder, "ct.npy");
  const text = await runCommandLine(["embed", ...network, "--out", out, "--part", "train"]);
  t.match(text, { code: 0, stdout: `9 x 24 features of ct -> ${out}, ` });
  t.ok(existsSync(out) && existsSync(join(folder, "ct.jsonl")));
  const json = await runCommandLine(["embed", ...network, "--out", out, "--json"]);
  t.match(JSON.parse(json.stdout), { out, samples: 9, width: 24, part: "all", modality: "ct" });
});

t.test("wrong use ends with 2, failure with 1", async (t) => {
  const out = ["--out", join(folder, "never.json")];
  const bad = join(folder, "bad.json");
  writeFileSync(bad, '{ "format": "medcoss-buffer" }');
  const cases: Array<[string[], number, RegExp]> = [
    [["buffer", ...network], 2, /^E_CONFIG: --out: is missing/],
    [["embed", ...network, "--out", "x.csv"], 2, /^E_CONFIG: --out: .* received x\.csv\. /],
    [["buffer", ...network, ...out, "--budget", "1B"], 2, /^E_CONFIG: --budget: /],
    [["buffer", ...network, ...out, "--speed", "9"], 2, /^E_UNKNOWN_OPTION: .*--speed/],
    [
      ["buffer", ...network, ...out, "--method", "k-means"],
      2,
      /^E_CONFIG: --method: expected .*, received k-means; did you mean kmeans\? Run/,
    ],
    [["buffer", ...network, ...out, "--set", "shape=1"], 2, /^E_CONFIG: shape: .*share/],
    [["buffer", "cap", bad, ...out], 2, /^E_CONFIG: .*--budget/],
    [["buffer", "cap", bad, ...out, "--budget", "3"], 1, /^E_BUFFER_CORRUPT: /],
    [["inspect", bad], 1, /^E_BUFFER_CORRUPT: /],
    [["inspect", config], 1, /^E_FILE_UNSUPPORTED: /],
  ];
  const outcomes = await Promise.all(cases.map(([args]) => runCommandLine(args)));
  cases.forEach(([args, code, stderr], i) => {
    t.match(outcomes[i], { code, stderr }, args.join(" "));
    t.match(outcomes[i]?.stderr, /^[^\n]+\n$/, "one line");
  });
  t.notOk(existsSync(join(folder, "never.json")));
});

t.test("SIGTERM ends it with 130 and writes nothing", async (t) => {
  const out = join(folder, "stopped.json");
  const many = ["--restarts", "65536", "--share", "1", "--centres", "1", "--tolerance", "0"];
  const running = startCommand(["buffer", ...network, "--out", out, ...many]);
  await running.shows("features");
  running.child.kill("SIGTERM");
  t.match(await running.done, {
    code: 130,
    stdout: "",
    stderr: /\nE_ABORTED: Stopped; the buffer/,
  });
  t.notOk(existsSync(out));
});
