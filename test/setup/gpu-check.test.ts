/** How the GPU check reads what other programs print, and what a part does without time. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { markdown } from "../../benchmarks/harness/report.js";
import type { Refusal, Row } from "../../benchmarks/harness/variant.js";
import { packageRoot } from "../helpers/package-root.js";

const folder = join(packageRoot, "scripts/gpu");
const load = (name: string) => import(join(folder, name));

interface Refusals {
  refusalsIn(report: string): { leftOut: Set<string>; refused: Refusal[] };
}

interface Ptxas {
  kernelsIn(text: string): Array<{ kernel: string }>;
  plainName(kernel: string): string;
}
interface Races {
  kernel: string;
  places: number;
}
interface Sanitizer {
  sanitizerFindings(text: string): {
    summary: string;
    told: number;
    ours: Races[];
    theirs: Races[];
  };
}

const row: Row = {
  ...{ case: "step text bf16 plain batch 2", contender: "medcoss", version: "1", threads: 1 },
  ...{ samplesPerSecond: 1, median: 1, iqr: 0, steps: 1, peakRssBytes: 1, tflops: 1 },
};

t.test("contenders that were refused are told from steps without time", async (t) => {
  const { refusalsIn }: Refusals = await load("refusals.mjs");
  const refused = [
    { case: row.case, contender: "published", reason: "medcoss and published disagree: 1, not 2" },
    {
      case: row.case,
      contender: "compiled, max-autotune",
      reason: "ended early: in\n one\nno memory",
    },
    { case: "step text bf16 replay batch 2", contender: "all", reason: "not measured: no minutes" },
  ];
  const facts = {
    ...{ theme: "step", date: "2026-01-01", threads: 1, command: "bench", method: [] },
    plan: { warmups: 1, rounds: 1, slowSeconds: 1 },
    hardware: {
      ...{ processor: "a processor", cores: 1, features: [], memoryBytes: 1 },
      ...{ node: "v20", medcoss: "0", libtorch: "2" },
    },
  };
  const { leftOut, refused: found } = refusalsIn(markdown(facts, { rows: [row], refused }));
  t.same([...leftOut], ["step text bf16 replay batch 2"]);
  t.same(found, [refused[0], { ...refused[1], reason: "ended early: in ... no memory" }]);
  t.same(refusalsIn(markdown(facts, { rows: [row], refused: [] })), {
    leftOut: new Set(),
    refused: [],
  });
});

const CUTLASS =
  "fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<float, cutlass::arch::Sm80, (bool)1, (int)64, (int)64, (int)64, (bool)1, (bool)1>::Params)";
const CUDNN =
  "cudnn_generated_fort_native_sdpa_sm90_flash_bprop_wgmma_f16_knob_26_64x64x64_1x4x1_cga1x1x1_kernel0_0";
const OWN = "void medcoss::cuda::<unnamed>::norm_rows<float, (bool)1>(T1)";

/** As compute-sanitizer of CUDA 13 prints it. */
const racecheck = (kernels: readonly string[]) =>
  [
    "ok      linear: worst of 20 1.2e-4",
    "========= COMPUTE-SANITIZER",
    ...kernels.flatMap((kernel) => [
      `========= Error: Race reported between Read access at ${kernel}+0x103d0`,
      `=========     and Write access at ${kernel}+0x10840 [8 hazards]`,
      `=========     and Read access at ${kernel}+0x13a0 [288 hazards]`,
      "========= ",
    ]),
    `========= RACECHECK SUMMARY: ${kernels.length} hazards displayed (${kernels.length} errors, 0 warnings)`,
    "",
  ].join("\n");

t.test("races are counted by kernel, ours apart from those of libraries", async (t) => {
  const { sanitizerFindings }: Sanitizer = await load("sanitizer-text.mjs");
  const found = sanitizerFindings(racecheck([CUTLASS, CUDNN, OWN, CUTLASS]));
  t.equal(found.told, 4);
  t.match(found.summary, /^RACECHECK SUMMARY: 4 hazards displayed/);
  t.same(found.ours, [{ kernel: OWN, places: 1 }]);
  t.same(found.theirs, [
    { kernel: CUTLASS, places: 2 },
    { kernel: CUDNN, places: 1 },
  ]);
  const clean = sanitizerFindings(
    "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n",
  );
  t.same(clean, { summary: "ERROR SUMMARY: 0 errors", told: 0, ours: [], theirs: [] });
  t.ok(Number.isNaN(sanitizerFindings("").told));
});

t.test("kernels' names are told without namespaces and arguments", async (t) => {
  const { kernelsIn, plainName }: Ptxas = await load("ptxas.mjs");
  const space = "medcoss::cuda::(anonymous namespace)::";
  const text = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'void ${space}norm_gradients<float, (${space}Branch)2>(medcoss::cuda::NormBackward<float>, medcoss::cuda::RowCut)' for 'sm_90a'
ptxas info    : Function properties for norm_gradients
    0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 79 registers, used 1 barriers, 29248 bytes smem, 504 bytes cmem[0]
ptxas info    : Compiling entry function 'void medcoss::cuda::walk_columns<1, ${space}Sums<float, 1> >(${space}Sums<float, 1>)' for 'sm_100'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers, 464 bytes cmem[0]
`;
  const found = kernelsIn(text).map((one) => ({ ...one, kernel: plainName(one.kernel) }));
  t.same(found, [
    {
      ...{ kernel: "norm_gradients<float, 2>", target: "90a" },
      ...{ registers: 79, shared: 29248, spilled: 12 },
    },
    {
      ...{ kernel: "walk_columns<1, Sums<float, 1>>", target: "100" },
      ...{ registers: 32, shared: 0, spilled: 0 },
    },
  ]);
});

t.test("a part without time says so and is no failure", (t) => {
  const results = t.testdir();
  const script = `import { Part } from ${JSON.stringify(join(folder, "part.mjs"))};
    new Part("ops").claim(false, "it goes on");`;
  const env = { ...process.env, MEDCOSS_GPU_RESULTS: results, MEDCOSS_GPU_LIMIT: "-3" };
  const args = ["--input-type=module", "--eval", script];
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  t.equal(status, 0);
  t.equal(stdout, "skipped ops: no time is left\n");
  const { claims } = JSON.parse(readFileSync(join(results, "ops.json"), "utf8"));
  t.same(claims, [{ state: "skipped", what: "ops", detail: "no time is left" }]);
  t.end();
});
