import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { Trainer } from "../../lib/trainer.js";
import { imageBatch, key, microOptions, plain, volumeBatch } from "../helpers/trainer.js";

t.test("a step that is not finite changes nothing and is told", async (t) => {
  const folder = t.testdir({ before: {}, after: {} });
  await using trainer = await Trainer.create(microOptions());
  await trainer.trainStep(imageBatch(), key(0), plain);
  await trainer.save(join(folder, "before"));

  const image = imageBatch();
  const pixels = Float32Array.from(image.pixels, (byte) => byte / 255).fill(Number.NaN, 0, 4096);
  const broken = await trainer.trainStep({ ...image, pixels }, key(1), plain);
  t.match(broken, { skipped: true, samples: 2 });
  t.notOk(Number.isFinite(broken.loss));
  const huge = { ...volumeBatch(), scale: 1e38 };
  t.match(await trainer.trainStep(huge, key(2), plain), { skipped: true });

  await trainer.save(join(folder, "after"));
  for (const name of ["model.safetensors", "optimizer.safetensors"]) {
    const [before, after] = await Promise.all(
      ["before", "after"].map((part) => readFile(join(folder, part, name))),
    );
    t.ok((before as Buffer).equals(after as Buffer), name);
  }
  const next = await trainer.trainStep(imageBatch(), key(3), plain);
  t.match(next, { skipped: false });
  t.ok(Number.isFinite(next.loss) && next.gradientNorm > 0);
});
