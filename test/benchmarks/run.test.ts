import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { packageRoot } from "../helpers/package-root.js";

/** The suite where no Python is to be found. */
function bench(...args: string[]) {
  const env = { ...process.env, PATH: dirname(process.execPath), MEDCOSS_BENCH_PYTHON: "" };
  const program = ["--import", "tsx", "benchmarks/run.ts"];
  const options = { cwd: packageRoot, env, encoding: "utf8" } as const;
  return spawnSync(process.execPath, [...program, ...args], options);
}

t.test(
  "a run without Python tells machine, plan, progress and speed, and its report no path",
  (t) => {
    const folder = t.testdir();
    const json = join(folder, "rows.json");
    const { status, stdout, stderr } = bench(
      ...["crossing", "--quick", "--golden", "none", "--contender", "medcoss call"],
      ...["--threads", "1", "--json", json, `--reports=${folder}`],
    );
    t.equal(status, 0, stderr);
    t.match(stdout, /^- Processor: .* 1 thread\n- Memory: [\d.]+ GiB\n- medcoss \S+, LibTorch 2/m);
    t.match(stdout, /- 1 warm-up step, then 3 rounds in which the contenders take turns;/);
    t.match(stdout, /- crossing: 1 variant; contenders: medcoss call\n- No Python is needed/);
    t.match(stderr, /^Golden values are not checked\n/);
    t.match(stderr, /^crossing \(1 of 1\)\n {2}start: medcoss call [\d.]+ m?s\n/m);
    t.match(stderr, /^ {2}round 3 of 3: medcoss call [\d.]+ m?s$/m);
    const [row] = JSON.parse(readFileSync(json, "utf8"));
    t.match(row, { case: "crossing", contender: "medcoss call", steps: 3 });
    t.notMatch(stdout, "ratio", "of one contender");
    t.notOk("ratio" in row || "baseline" in row);
    const name = readdirSync(folder).find((file) => file.endsWith(".md")) as string;
    const report = readFileSync(join(folder, name), "utf8");
    t.match(
      report,
      '`npm run bench -- crossing --quick --golden none --contender "medcoss call" --threads 1 --json FILE --reports DIR`',
    );
    t.match(report, (stdout.match(/^- Processor.*$/m) as RegExpMatchArray)[0]);
    t.notMatch(report, folder);
    t.end();
  },
);

t.test("what the given minutes leave out is told, and is no failure", (t) => {
  const { status, stderr } = bench(
    ...["step", "--quick", "--golden", "none", "--contender", "medcoss", "--threads", "1"],
    ...["--kind", "text", "--kind", "image2d", "--minutes", "1e-9"],
  );
  t.equal(status, 0, stderr);
  for (const kind of ["text", "image2d"]) {
    const name = `step ${kind} fp32 plain batch 2`;
    t.match(stderr, `${name}: not measured: the run's 1e-9 minutes were over`);
  }
  t.end();
});

t.test("a wrong call ends before anything is made", (t) => {
  const { status, stdout, stderr } = bench("features", "--contender", "tuned", "--threads", "1");
  t.same({ status, stdout }, { status: 2, stdout: "" });
  t.match(stderr, /contenders are medcoss; pytorch/);
  t.end();
});
