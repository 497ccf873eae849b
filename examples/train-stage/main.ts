/** One stage on X-rays of a store, with a line for each step. Usage: npx tsx main.ts STORE */
import { models, presets, trainStage } from "medcoss";

const [store = "medcoss-demo/store"] = process.argv.slice(2);

const result = await trainStage(
  {
    modality: "xray",
    data: store,
    out: "runs/xray",
    model: models.tiny(),
    preset: presets.corrected(),
    maxSteps: 20,
    batchSize: 8,
  },
  {
    onStage: ({ modality, steps }) => console.log(`${modality}: ${steps} steps`),
    onStep: ({ kind, step, loss, samplesPerSecond }) =>
      console.log(`${kind} ${step}: loss ${loss?.toFixed(3)}, ${samplesPerSecond.toFixed(0)}/s`),
  },
);

const { before, after } = result.trainingLoss;
console.log(
  `${before.toFixed(3)} -> ${after.toFixed(3)}; checkpoint runs/xray/${result.checkpoint}`,
);
