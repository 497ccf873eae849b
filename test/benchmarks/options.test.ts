import t from "tap";
import { stepVariants } from "../../benchmarks/cases/step.js";
import { parse } from "../../benchmarks/options.js";

const cases = ["step", "kmeans"];
const parsed = (...args: string[]) => {
  const run = parse(["--threads", "2", ...args], cases);
  if (run === undefined) throw new Error("asked for help");
  return run;
};

t.test("without arguments every case runs in full on the CPU", (t) => {
  const run = parsed();
  t.match(run, { names: cases, plan: { warmups: 2, rounds: 7 } });
  t.match(run.options, { device: "cpu", batches: [16, 64], compileModes: ["default"] });
  t.same(run.options.objectives, ["plain", "replay"]);
  t.match(run.reports, /benchmarks.reports$/);
  t.match(run.golden, /fixtures.golden$/);
  t.equal(parse(["--help"], cases), undefined);
  t.end();
});

t.test("a GPU has larger batches; options repeat; none leaves out", (t) => {
  t.same(parsed("--device", "cuda:1").options.batches, [128, 512]);
  const run = parsed("step", "--quick", "--compile", "none", "--golden", "none", "--rounds", "3");
  t.match(run, { names: ["step"], plan: { warmups: 1, rounds: 3, fixed: true } });
  t.same([run.options.batches, run.options.compileModes, run.golden], [[2], [], undefined]);
  t.equal(run.reports, undefined, "a quick run writes no report");
  const quick = parsed("step", "--quick").options;
  t.same([quick.kinds, quick.precisions, quick.objectives], [["image2d"], ["fp32"], ["plain"]]);
  t.same(quick.compileModes, [], "nothing is compiled");
  t.same(parsed("--quick", "--kind", "text", "--compile", "default").options.kinds, ["text"]);
  t.same(parsed("--kind", "text", "--kind", "image2d").options.kinds, ["text", "image2d"]);
  t.end();
});

t.test("the command of a report holds no path of the machine", (t) => {
  const paths = ["--json=/x/rows.json", "--reports", "/x", "--reference", "../x", "--golden", "/x"];
  t.equal(
    parsed("step", ...paths, "--only", "text fp32", "--quick").command,
    'npm run bench -- --threads 2 step --json FILE --reports DIR --reference DIR --golden DIR --only "text fp32" --quick',
  );
  t.equal(parsed("--golden", "none").command, "npm run bench -- --threads 2 --golden none");
  t.end();
});

t.test("what is not known is refused before anything starts", (t) => {
  const wrong: string[][] = [
    ["stepp"],
    ["--device", "gpu"],
    ["--batch", "0"],
    ["--kind", "audio"],
    ["--compile", "fast"],
  ];
  for (const args of wrong) {
    t.throws(() => parsed(...args), new RegExp(`${args[0]}.* must|must be.*${args[0]}`));
  }
  t.throws(() => parsed("--round", "3"), { code: "ERR_PARSE_ARGS_UNKNOWN_OPTION" });
  t.end();
});

t.test(
  "variants of a step: every kind, precision, objective and batch, with all contenders",
  (t) => {
    const { options } = parsed("--compile", "default", "--compile", "max-autotune");
    const variants = stepVariants(options);
    t.equal(variants.length, 3 * 2 * 2 * 2);
    t.equal(new Set(variants.map((variant) => variant.case)).size, variants.length);
    const names = variants[0]?.contenders.map(({ name }) => name);
    t.same(names, ["medcoss", "tuned", "compiled", "compiled, max-autotune", "pytorch"]);
    t.throws(() => stepVariants({ ...options, reference: "/nowhere" }), /no checkout/);
    t.end();
  },
);

t.test(
  "--goals compares with the published engine, and in plain bf16 steps with best practice",
  (t) => {
    const names = stepVariants(parsed("--goals", "--batch", "16").options).map((variant) => [
      variant.case,
      ...variant.contenders.map(({ name }) => name),
    ]);
    t.same(names[0], ["step image2d fp32 plain batch 16", "medcoss"]);
    t.ok(
      names.some((line) => line.join() === "step text bf16 plain batch 16,medcoss,tuned,compiled"),
    );
    t.end();
  },
);
