import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checkCuda } from "../../lib/doctor/cuda.js";
import {
  type CudaOptions,
  deviceIndex,
  KERNELS,
  prepareCuda,
  tryCuda,
} from "../../lib/native/cuda.js";
import { loadBinding } from "../../lib/native/load.js";
import { fakeLibtorch } from "../helpers/site-packages.js";

const gpu = existsSync("/dev/nvidia0") && "this machine has a GPU";
const h100 = { name: "NVIDIA H100", capability: "9.0", multiprocessors: 132, memoryBytes: 8e10 };

/** A build with kernels and LibTorch's GPU set, none of which can be loaded, and a trial that runs `program`. */
function fakeCuda(t: Test, program: string, { kernels = true, gpu = true } = {}): CudaOptions {
  const folder = t.testdir({});
  const trial = join(folder, "trial.mjs");
  writeFileSync(trial, program);
  if (kernels) writeFileSync(join(folder, KERNELS), "");
  const env = { ...process.env, MEDCOSS_LIBTORCH: fakeLibtorch(folder, { gpu }) };
  return { folder, env, trial };
}

const printing = (value: unknown) => `console.log(${JSON.stringify(JSON.stringify(value))})`;

/** Expects E_NO_CUDA with the reason. */
function refused(t: Test, device: string, options: CudaOptions, message: RegExp) {
  return t.rejects(prepareCuda(device, options), { code: "E_NO_CUDA", message });
}

t.test("names of devices", async (t) => {
  t.equal(deviceIndex("cuda"), 0);
  t.equal(deviceIndex("cuda:11"), 11);
  for (const name of ["cuda:", "cuda:-1", "cuda:x", "cuda0", "gpu"]) {
    t.throws(() => deviceIndex(name), { code: "E_ARGUMENT", message: /cpu, cuda or cuda:N/ });
  }
  await t.resolves(prepareCuda("cpu"));
});

t.test("a build without kernels, and a LibTorch without GPU libraries", async (t) => {
  await refused(t, "cuda", fakeCuda(t, "", { kernels: false }), /no CUDA kernels .*medcoss_cuda/);
  await refused(t, "cuda", fakeCuda(t, "", { gpu: false }), /libtorch install --cuda/);
});

t.test("what the trial says is the reason", async (t) => {
  const driver = { code: "E_NO_CUDA", problem: "the driver serves CUDA 12.4" };
  await refused(t, "cuda:1", fakeCuda(t, printing(driver)), /cuda:1 .*the driver serves CUDA 12.4/);
  const memory = { code: "E_OUT_OF_MEMORY", problem: "another program has it all" };
  await t.rejects(prepareCuda("cuda", fakeCuda(t, printing(memory))), {
    code: "E_OUT_OF_MEMORY",
    message: /on cuda: another program/,
  });
});

t.test("a trial that dies or hangs is an error here", async (t) => {
  const crash = "process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 9e3)";
  await refused(t, "cuda", fakeCuda(t, crash), /ended the trial process \(SIGSEGV\)/);
  await refused(t, "cuda", fakeCuda(t, "process.exit(3)"), /\(code 3\)/);
  const hanging = { ...fakeCuda(t, "setTimeout(() => {}, 60e3)"), milliseconds: 300 };
  await refused(t, "cuda", hanging, /took over 0.3 s/);
});

t.test("devices that are not there or too old", async (t) => {
  await refused(t, "cuda:2", fakeCuda(t, printing({ devices: [h100, h100] })), /there are 2/);
  const v100 = { ...h100, name: "Tesla V100", capability: "7.0" };
  await refused(t, "cuda", fakeCuda(t, printing({ devices: [v100] })), /capability 7.0/);
});

t.test("libraries that do not load after all", { skip: gpu }, async (t) => {
  await refused(t, "cuda", fakeCuda(t, printing({ devices: [h100] })), /libc10_cuda.so/);
  t.match(await tryCuda(0), { problem: /\.so|kernel library|driver/ }, "the trial itself");
  t.throws(() => loadBinding().openCuda("/nowhere.so"), { code: "E_NO_CUDA" });
  t.throws(() => loadBinding().freeCudaMemory(0), { code: "E_NO_CUDA" });
  t.throws(() => loadBinding().peakCudaMemory(0), { code: "E_NO_CUDA" });
});

t.test("the doctor tells of kernels, and of the device that starts", async (t) => {
  const libtorch = { path: "/torch", version: "2.11.0+cu130", cuda: true, how: "cache" } as const;
  const names = async (gpu: boolean, options: CudaOptions) =>
    (await checkCuda(libtorch, gpu, options)).map(({ name, state }) => `${name} ${state}`);
  t.same(await names(true, fakeCuda(t, "", { kernels: false })), ["CUDA kernels note"]);
  t.same(await names(false, fakeCuda(t, "")), ["CUDA kernels ok"]);
  const starts = await checkCuda(libtorch, true, fakeCuda(t, printing({ devices: [h100] })));
  t.match(starts[1], { state: "ok", found: /NVIDIA H100, compute capability 9.0, 74.5 GiB/ });
  const broken = await checkCuda(libtorch, true, fakeCuda(t, printing({ problem: "no memory" })));
  t.match(broken[1], { state: "problem", found: "no memory", remedy: /troubleshooting/ });
});
