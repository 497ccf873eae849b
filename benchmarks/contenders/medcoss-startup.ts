/**
 * This package's worker of the start-up case: a fresh Node.js each turn, from its start to the end of the first step.
 *
 * Invariant: the child imports the compiled package and nothing else.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { configureThreads } from "../../lib/trainer.js";
import type { StartupConfiguration } from "../cases/startup.js";
import { libraryEntry } from "../harness/library.js";
import { type Contestant, serve, timed } from "./serve.js";

const run = promisify(execFile);

const program = `
const [entry, device, threads] = process.argv.slice(1);
const { models, Trainer } = await import(entry);
const size = models.tiny();
const trainer = await Trainer.create({ size, device, threads: Number(threads) });
const batch = { kind: "image2d", pixels: new Float32Array(2 * 224 * 224 * 3).fill(0.5), shape: [2, 224, 224, 3] };
const { loss } = await trainer.trainStep(batch, { stage: 0, step: 0 }, { learningRate: 1e-4, objective: "plain" });
console.log(loss);
await trainer.close();
`;

async function make({ device, threads }: StartupConfiguration): Promise<Contestant> {
  configureThreads(threads);
  const args = ["--input-type=module", "--eval", program, libraryEntry(), device, String(threads)];
  const start = async () => {
    const { stdout } = await run(process.execPath, args);
    if (!Number.isFinite(Number.parseFloat(stdout))) throw new Error(`no loss: ${stdout}`);
  };
  return {
    check: async () => {
      await start();
      return {};
    },
    step: () => timed(start),
  };
}

await serve(make);
