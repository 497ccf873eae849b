/** What the machine is: driver, GPU, LibTorch, and whether CUDA starts. */
import { execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { performance } from "node:perf_hooks";
import { diagnose } from "../../../lib/doctor/diagnose.js";
import { buildInfo, prepareDevice } from "../../../lib/trainer.js";
import { device, Part } from "../part.mjs";

const part = new Part("facts");

/** The first line that a program prints; undefined where it is missing or fails. @param {string} program @param {string[]} args */
function firstLine(program, args) {
  try {
    const text = execFileSync(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    return text.toString().trim().split("\n")[0];
  } catch {
    return undefined;
  }
}

const fields = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit";
const python = process.env.MEDCOSS_BENCH_PYTHON ?? "python3";
const tools = {
  "nvidia-smi": firstLine("nvidia-smi", [`--query-gpu=${fields}`, "--format=csv,noheader"]),
  torch: firstLine(python, ["-c", "import torch; print(torch.__version__, torch.version.cuda)"]),
  triton: firstLine(python, ["-c", "import triton; print(triton.__version__)"]),
  numpy: firstLine(python, ["-c", "import numpy; print(numpy.__version__)"]),
  "C compiler (for Triton)": firstLine("cc", ["--version"]) ?? firstLine("gcc", ["--version"]),
  "compute-sanitizer": firstLine("compute-sanitizer", ["--version"]),
};
for (const [what, found] of Object.entries(tools))
  part.row("tools", { what, found: found ?? "none" });

/** Reports name no folders of a machine. @param {string} text */
const withoutFolders = (text) =>
  Object.entries({
    [process.env.MEDCOSS_LIBTORCH ?? ""]: "the torch of python3",
    [process.cwd()]: "gpu-check",
    [homedir()]: "~",
  }).reduce((all, [folder, name]) => (folder ? all.replaceAll(folder, name) : all), text);

const { checks } = await diagnose();
for (const { name, state, found } of checks)
  part.row("doctor", { check: name, state, found: withoutFolders(found) });

await part.attempt("the device starts", async () => {
  const start = performance.now();
  await prepareDevice(device);
  const seconds = (performance.now() - start) / 1000;
  part.claim(true, `${device} starts`, `${seconds.toFixed(1)} s with the trial process`);
});
part.row("addon", { .../** @type {any} */ (buildInfo()) });
