/**
 * A PyTorch checkpoint goes on learning, on pathology tiles of a store, and is written for PyTorch again.
 * Usage: npx tsx main.ts WEIGHTS.pth STORE SIZE, where SIZE (tiny, small, base or large) is the checkpoint's.
 */
import { execFileSync } from "node:child_process";
import { pretrain } from "medcoss";

const [weights = "weights.pth", store = "medcoss-demo/store", size = "base"] =
  process.argv.slice(2);

const { stages } = await pretrain({
  store,
  out: "runs/continued",
  stages: ["pathology"],
  startFrom: weights,
  model: size as "tiny" | "small" | "base" | "large",
  maxSteps: 20,
  batchSize: 8,
});
console.log(stages[0]?.validationLoss ?? stages[0]?.trainingLoss);

execFileSync(
  "npx",
  ["medcoss", "convert", "runs/continued/final/model.safetensors", "continued.pth"],
  {
    stdio: "inherit",
  },
);
