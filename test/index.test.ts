import t from "tap";
import * as medcoss from "../lib/index.js";

t.test("the public interface has exactly these values", async (t) => {
  t.same(Object.keys(medcoss).sort(), [
    "ExitCode",
    "MedcossError",
    "Trainer",
    "behaviourSchema",
    "buildInfo",
    "dryRun",
    "jsonSchema",
    "learningRateAt",
    "loadTokenizer",
    "models",
    "openStore",
    "pack",
    "presets",
    "pretrain",
    "pretrainSteps",
    "schemas",
    "stageHorizon",
    "stageSteps",
    "trainStage",
  ]);
});
