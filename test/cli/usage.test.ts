import { join } from "node:path";
import t from "tap";
import { main } from "../../lib/cli/program.js";
import { packageVersion } from "../../lib/version.js";
import { runCommandLine } from "../helpers/command.js";

t.setTimeout(240_000);

t.test("wrong use is one line with the nearest known name, exit 2", async (t) => {
  const cases: Array<[args: string[], line: RegExp]> = [
    [["pretrain", "--epoch", "3"], /^E_UNKNOWN_OPTION: Unknown option --epoch .*--epochs/],
    [["pretain"], /^E_UNKNOWN_OPTION: Unknown command pretain .*pretrain\?\)\. Run/],
    [["libtorch"], /^E_CONFIG: libtorch: expected one of install, path, remove, received nothing/],
    [["libtorch", "instal"], /^E_UNKNOWN_OPTION: Unknown command instal .*install\?\)/],
    [["inspect"], /^E_CONFIG: command line: missing required argument 'path'/],
    [["pretrain", "--epochs"], /^E_CONFIG: command line: .*argument missing/],
    [
      ["pretrain", "--out", "o", "--store", "s", "--epochs", "x"],
      /^E_CONFIG: --epochs: .*received x\. /,
    ],
    [["pretrain", "--out", "o", "--store", "s", "--set", "sed=1"], /^E_CONFIG: sed: .*seed\? Run/],
    [["pretrain", "--out", "o"], /^E_CONFIG: --store: is missing/],
    [["pack", "--out", "s"], /^E_CONFIG: sources: name what to pack with --reports, .*--source\. /],
    [["pretrain", "--out", "o", "--store", "s", "--set", "epochs=0"], /^E_CONFIG: epochs: /],
    [
      ["pretrain", "--out", "o", "--store", "s", "--set", "optimizer.maxGradientNorm=-1"],
      /^E_CONFIG: optimizer\.maxGradientNorm: expected a number above 0, received -1/,
    ],
    [["pretrain", "--out", "o", "--store", "s", "--stages", ""], /^E_CONFIG: --stages: /],
    [
      ["pretrain", "--out", "o", "--store", "s", "--model", "tinny"],
      /^E_CONFIG: --model: .*tiny\? /,
    ],
    [["pretrain", "--out", "o", "--store", "s", "--seed", ""], /^E_CONFIG: --seed: /],
  ];
  const printed = t.capture(process.stderr, "write", () => true);
  const before = process.exitCode;
  t.teardown(() => {
    process.exitCode = before;
  });
  for (const [args, line] of cases) {
    await main(args);
    t.equal(process.exitCode, 2);
    process.exitCode = before;
    const text = printed()
      .map((call) => String(call.args[0]))
      .join("");
    t.match(text, line);
    t.equal(text.trimEnd().split("\n").length, 1);
  }
});

t.test("help and version go to stdout, exit 0", async (t) => {
  const help = await runCommandLine(["--help"]);
  t.match(help, { code: 0, stderr: "", stdout: /pretrain [\s\S]*inspect / });
  t.same(await runCommandLine([]), help);
  t.match(await runCommandLine(["--version"]), { code: 0, stdout: `${packageVersion()}\n` });
  t.match(await runCommandLine(["pretrain", "--help"]), { code: 0, stdout: /--max-steps/ });
});

t.test("a flag of pack takes all that follows it, as a shell spells out *.csv", async (t) => {
  const folder = t.testdir({
    "a.csv": "findings\nthe lungs are clear\n",
    "b.csv": "findings\nthe heart is normal\n",
    "c.csv": "findings\nno effusion is seen\n",
  });
  const [a, b, c] = ["a", "b", "c"].map((name) => join(folder, `${name}.csv`));
  const args = [
    "pack",
    "--reports",
    a,
    b,
    "--out",
    join(folder, "store"),
    "--reports",
    c,
    "--json",
  ];
  const { code, stdout, stderr } = await runCommandLine(args as string[]);
  t.equal(code, 0, stderr);
  t.match(JSON.parse(stdout).modalities, [{ modality: "report", files: 3, added: 3 }]);
});

t.test("--debug adds the stack", async (t) => {
  const args = ["pretrain", "--store", "/nowhere", "--out", "/tmp/never"];
  const [plain, debug] = await Promise.all([
    runCommandLine(args),
    runCommandLine([...args, "--debug"]),
  ]);
  t.match(plain, { code: 1, stderr: /^E_NO_STORE: No store at \/nowhere\. Make one with: / });
  t.equal(plain.stderr.trimEnd().split("\n").length, 1);
  t.match(debug.stderr, /\n {4}at /);
});
