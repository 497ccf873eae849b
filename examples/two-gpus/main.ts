/**
 * Two runs, one on each GPU of a machine: writes a configuration for each and prints the commands that start them.
 * A run uses one device; runs with different seeds or orders of stages are how a second one is put to use.
 */
import { writeFile } from "node:fs/promises";
import { schemas } from "medcoss";

for (const gpu of [0, 1]) {
  const config = {
    store: "STORE",
    out: `runs/seed-${gpu}`,
    model: "base",
    device: `cuda:${gpu}`,
    precision: "bf16",
    seed: gpu,
    threads: 8,
    batchSize: 128,
  } as const;
  schemas.pretrain.parse(config);
  await writeFile(`gpu-${gpu}.json`, `${JSON.stringify(config, undefined, 2)}\n`);
  console.log(`npx medcoss pretrain --config gpu-${gpu}.json --resume &`);
}
console.log("wait");
