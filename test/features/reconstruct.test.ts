import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { reconstruct } from "../../lib/features/reconstruct.js";
import { Trainer } from "../../lib/index.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { runCommandLine } from "../helpers/command.js";
import { microModel, microStore, microTraining } from "../helpers/micro.js";

t.setTimeout(120_000);

const folder = t.testdir();
const store = await microStore(folder);
const run = join(folder, "run");
await pretrain({ store, out: run, ...microTraining });
const stages = { report: "01-report", xray: "02-xray", ct: "03-ct" };

t.test("a stage's checkpoint gives the pictures of its run", async (t) => {
  for (const [modality, name] of Object.entries(stages)) {
    const stage = join(run, "stages", name);
    const out = join(folder, `pictures-${modality}`);
    const config = { store, modality, checkpoint: stage, out, samples: 2, threads: 1 };
    const done = await reconstruct(config);
    t.match(done, { modality, samples: 2, warnings: [] });
    const names = readdirSync(join(stage, "reconstructions"));
    t.same(
      done.files,
      names.map((file) => join(out, file)),
    );
    for (const file of names) {
      const drawn = readFileSync(join(stage, "reconstructions", file));
      t.ok(readFileSync(join(out, file)).equals(drawn), file);
    }
  }
});

t.test("another modality than the decoder's comes with a warning", async (t) => {
  const out = join(folder, "other");
  const args = ["--checkpoint", run, "--store", store, "--modality", "xray", "--out", out];
  const told = await runCommandLine(["reconstruct", ...args, "--samples", "40"]);
  t.match(told, { code: 0, stdout: /^3 records of xray -> .*step-0+8\.png\n$/ });
  t.match(
    told.stderr,
    /^Warning: The decoder of this checkpoint was trained on ct, not on xray;.*\n$/,
  );
  const json = await runCommandLine(["reconstruct", ...args, "--json"]);
  t.match(JSON.parse(json.stdout), { samples: 3, warnings: [/trained on ct/] });
});

t.test("a bare model file, and wrong use", async (t) => {
  const bare = t.testdir();
  await using trainer = await Trainer.create({ size: microModel, threads: 1 });
  await trainer.save(bare);
  const config = { store, modality: "ct", checkpoint: bare, out: join(bare, "out"), threads: 1 };
  const done = await reconstruct({ ...config, model: microModel });
  t.match(done, { samples: 6, files: [/step-000000\.png$/], warnings: [] });
  await t.rejects(reconstruct(config), { code: "E_CONFIG", message: /heads/ });
  await t.rejects(reconstruct({ ...config, samples: 0 }), { code: "E_CONFIG" });
  await t.rejects(reconstruct({ ...config, modality: "mri" }), { code: "E_NO_MODALITY" });
  const missing = await runCommandLine(["reconstruct", "--store", store, "--modality", "ct"]);
  t.match(missing, { code: 2, stderr: /^E_CONFIG: --(checkpoint|out): is missing/ });
});
