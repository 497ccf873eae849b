/**
 * A run that survives: start it, kill it at any moment, start it again with the same command, and it ends with the
 * weights of a run that nothing disturbed. Ctrl-C saves first. Usage: npx tsx main.ts STORE
 */
import { MedcossError, pretrain } from "medcoss";

const [store = "medcoss-demo/store"] = process.argv.slice(2);
const controller = new AbortController();
process.once("SIGINT", () => controller.abort());

try {
  const { alreadyFinished } = await pretrain(
    {
      store,
      out: "runs/resume",
      stages: ["report", "xray"],
      model: "tiny",
      maxSteps: 20,
      batchSize: 8,
      checkpoint: { steps: 5 },
      resume: true,
    },
    {
      signal: controller.signal,
      onStage: ({ modality, done, steps }) =>
        console.log(`${modality}: from step ${done} of ${steps}`),
    },
  );
  console.log(alreadyFinished ? "It was finished before." : "Finished.");
} catch (error) {
  if (!(error instanceof MedcossError && error.code === "E_INTERRUPTED")) throw error;
  console.log("Saved. The same command goes on.");
}
