import t from "tap";
import { cases } from "../../benchmarks/cases/index.js";
import { hasPython } from "../../benchmarks/harness/python.js";
import { parse, type Run } from "../../benchmarks/options.js";
import { describe, needsPython, select, timesPeak } from "../../benchmarks/selection.js";

const parsed = (...args: string[]) => parse(["--threads", "2", ...args], Object.keys(cases)) as Run;
const told = (run: Run) => describe(select(run, cases), run).join("\n");

// An interpreter that is not there: whoever looks for it throws.
t.beforeEach(() => {
  process.env.MEDCOSS_BENCH_PYTHON = "/nowhere/python";
});
t.afterEach(() => {
  delete process.env.MEDCOSS_BENCH_PYTHON;
});

t.test("a quick step is one variant, and is told with its contenders", (t) => {
  const run = parsed("step", "--quick");
  const [step] = select(run, cases);
  t.same(
    step?.variants.map((variant) => variant.case),
    ["step image2d fp32 plain batch 2"],
  );
  t.match(
    told(run),
    "- step: 1 variant of the base model, corrected preset; contenders: medcoss; tuned; pytorch\n",
  );
  t.match(
    told(run),
    /^- Python of the other contenders: \/nowhere\/python, by MEDCOSS_BENCH_PYTHON$/m,
  );
  t.match(told(run), /^- Quick: .* a first number only/m);
  t.end();
});

t.test("a missing environment is told with its size, place and way out", (t) => {
  delete process.env.MEDCOSS_BENCH_PYTHON;
  const missing =
    /made now, once, in \S+\/benchmarks\/\.venv \(.*about 5 GB\); MEDCOSS_BENCH_PYTHON=/;
  t.match(told(parsed("step")), hasPython() ? /contenders: \S+\/benchmarks\/\.venv$/m : missing);
  t.match(told(parsed("step")), /- step: 24 variants of .* contenders: .*; compiled; pytorch/);
  t.end();
});

t.test("what every case measures is known without Python, and medcoss alone needs none", (t) => {
  const all = select(parsed(), cases);
  t.equal(all.length, Object.keys(cases).length);
  t.ok(needsPython(all));
  const names = Object.keys(cases).filter((name) => name !== "crossing");
  for (const name of names) {
    const run = parsed(name, "--contender", "medcoss");
    const selected = select(run, cases);
    t.notOk(needsPython(selected), name);
    t.match(told(run), /- No Python is needed/);
  }
  delete process.env.MEDCOSS_BENCH_PYTHON;
  t.equal(timesPeak(select(parsed("step", "--contender", "medcoss"), cases)), hasPython());
  t.notOk(timesPeak(select(parsed("crossing"), cases)), "no matrices");
  t.end();
});

t.test("words, contenders and devices that leave nothing are refused with what there is", (t) => {
  const nothing = (...args: string[]) => select(parsed(...args), cases);
  const wrong = /no variant.*contenders are medcoss; pytorch/;
  t.throws(() => nothing("features", "--contender", "tuned"), wrong);
  t.throws(() => nothing("features", "--only", "audio"), wrong);
  t.throws(() => nothing("distill", "--device", "cuda"), /--device cuda has none of these cases/);
  t.end();
});
