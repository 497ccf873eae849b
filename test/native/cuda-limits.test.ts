/**
 * What ptxas says of each kernel on each target: nothing is spilled, and shared memory and registers are within what every
 * multiprocessor has. Launch bounds make ptxas itself keep the registers of a block within the target's.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { packageRoot } from "../../lib/version.js";

const root = packageRoot();
const reports = join(root, "build/native/cuda");
const cmake = readFileSync(join(root, "native/cuda.cmake"), "utf8");
const kernels = [...cmake.matchAll(/native\/ops\/cuda\/(\w+)\.cu\b/g)].map(([, name = ""]) => name);
const targets = /MEDCOSS_CUDA_TARGETS ([^)]+)\)/.exec(cmake)?.[1]?.split(" ") ?? [];
const built = kernels.every((name) => existsSync(join(reports, `${name}.ptxas.txt`)));
const skip = built ? false : "there is no nvcc: the kernels were not built";

/** Of shared memory without a request for more; of registers for each thread. */
const MAX_SHARED = 48 * 1024;
const MAX_REGISTERS = 255;

interface Kernel {
  target: string;
  spilled: number;
  registers: number;
  shared: number;
}
interface Ptxas {
  kernelsIn(text: string): Kernel[];
}

t.test("kernels are within every target's limits, and spill nothing", { skip }, async (t) => {
  const { kernelsIn }: Ptxas = await import(join(root, "scripts/gpu/ptxas.mjs"));
  t.ok(kernels.length > 0 && targets.length > 0);
  for (const name of kernels) {
    const found = kernelsIn(readFileSync(join(reports, `${name}.ptxas.txt`), "utf8"));
    for (const target of targets) {
      t.ok(
        found.some((kernel) => kernel.target === target),
        `${name} for sm_${target}`,
      );
    }
    const wrong = found.filter(
      ({ spilled, registers, shared }) =>
        spilled > 0 || registers > MAX_REGISTERS || registers === 0 || shared > MAX_SHARED,
    );
    t.same(wrong, [], name);
  }
});

t.test("every kernel states how many threads it is started with", async (t) => {
  const folder = join(root, "native/ops/cuda");
  for (const name of readdirSync(folder).filter((file) => /\.cuh?$/.test(file))) {
    const text = readFileSync(join(folder, name), "utf8");
    const all = text.match(/__global__/g)?.length ?? 0;
    const bounded = text.match(/__global__\s+void\s+__launch_bounds__/g)?.length ?? 0;
    t.equal(bounded, all, basename(name));
  }
});
