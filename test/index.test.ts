import t from "tap";
import * as medcoss from "../lib/index.js";

t.test("the public interface has exactly these values", async (t) => {
  t.same(Object.keys(medcoss).sort(), [
    "ExitCode",
    "MedcossError",
    "Trainer",
    "augmentImages",
    "behaviourSchema",
    "buildBuffer",
    "buildInfo",
    "capBuffer",
    "dryRun",
    "embed",
    "exportBuffer",
    "exportEncoder",
    "jsonSchema",
    "learningRateAt",
    "loadTokenizer",
    "mergeBuffers",
    "models",
    "openStore",
    "pack",
    "presets",
    "pretrain",
    "pretrainSteps",
    "readBuffer",
    "reconstruct",
    "schemas",
    "stageHorizon",
    "stageSteps",
    "trainStage",
    "writeBuffer",
  ]);
});
