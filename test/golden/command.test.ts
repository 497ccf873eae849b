import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { readTensors, writeTensors } from "../../lib/safetensors.js";
import { runCommandLine } from "../helpers/command.js";
import { packageRoot } from "../helpers/package-root.js";

const fixture = join(packageRoot, "test/fixtures/golden");

// The base model is run twice.
t.setTimeout(240_000);

t.test("every check of the stored directory passes", async (t) => {
  const { stdout, stderr, code } = await runCommandLine(["golden", fixture]);
  t.equal(stderr, "");
  t.equal(code, 0);
  t.match(stdout, /1306 passed, 0 failed\n$/);
  const lines = stdout.split("\n");
  t.equal(lines.filter((line) => line.startsWith("ok ")).length, 1306, "each check is printed");
  for (const name of ["image2d", "volume3d", "text", "distill_text", "adamw", "kmeans"]) {
    t.ok(
      lines.some((line) => line.startsWith(`${name} `)),
      `${name} has its worst deviation`,
    );
  }
});

/** A copy with one value of every kind moved, and without most of the gradients. */
async function perturbed(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "medcoss-golden-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(fixture, folder, { recursive: true });
  const path = join(folder, "golden.json");
  const values = JSON.parse(readFileSync(path, "utf8"));
  for (const name of ["volume3d", "distill_image2d", "distill_volume3d", "distill_text"]) {
    delete values[name];
  }
  values.text.loss *= 1.0001;
  values.image2d.feature_mean += 0.001;
  values.image2d.grads.cls_token.val[2] *= 1.01;
  values.image2d.grads.mask_token.l2 *= 1.001;
  values.image2d.grads["mlm_head.bias"] = { l2: 1, at: [0], val: [1] };
  values.adamw.losses[2] *= 1.0001;
  values.adamw.after["no.such.parameter"] = 1;
  values.kmeans.n_iter += 1;
  values.kmeans.selected[3].reverse();
  writeFileSync(path, JSON.stringify(values));
  const tensors = await readTensors(join(folder, "tensors.safetensors"));
  for (const name of ["image2d.mask", "text.pooled", "kmeans.centres"]) {
    const { data } = tensors.get(name) as { data: Float32Array };
    data[11] = (data[11] as number) + 1;
  }
  await writeTensors(join(folder, "tensors.safetensors"), tensors);
  return folder;
}

t.test("each perturbed value fails its own check and no other", async (t) => {
  const { stdout, code } = await runCommandLine(["golden", "--json", await perturbed()]);
  t.equal(code, 1);
  const report = JSON.parse(stdout);
  const failed = report.failures.map((check: { case: string; name: string }) => {
    return `${check.case} ${check.name}`;
  });
  t.strictSame(failed.sort(), [
    "adamw loss before step 3",
    "adamw norm of no.such.parameter",
    "image2d feature_mean",
    "image2d gradient of cls_token",
    "image2d gradient of mask_token",
    "image2d gradient of mlm_head.bias, on one side only",
    "image2d mask",
    "kmeans centres",
    "kmeans n_iter",
    "kmeans selected",
    "text loss",
    "text pooled",
  ]);
  t.equal(report.failed, failed.length);
});

t.test("a folder without golden values gives one line", async (t) => {
  const { stdout, stderr, code } = await runCommandLine(["golden", join(fixture, "none")]);
  t.equal(stdout, "");
  t.match(stderr, /^E_SOURCE_MISSING: .*golden\.json.*\n$/);
  t.equal(code, 2);
});
