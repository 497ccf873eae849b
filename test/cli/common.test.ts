import t from "tap";
import {
  counted,
  formatBytes,
  formatDuration,
  formatRate,
  progress,
  runCommand,
  setDebug,
  tableLines,
  toMedcossError,
} from "../../lib/cli/common.js";
import { MedcossError } from "../../lib/errors.js";

t.test("numbers as people read them", async (t) => {
  t.same([0, 1023, 1536, 200 * 2 ** 20, 3 * 2 ** 40, 5000 * 2 ** 40].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "200 MiB",
    "3.0 TiB",
    "5000 TiB",
  ]);
  t.same([0.25, 42, 125, 3725, 200_000].map(formatDuration), [
    "0.3 s",
    "42 s",
    "2 min 05 s",
    "1 h 02 min",
    "2 d 07 h",
  ]);
  t.same([0.512, 13.72, 99.96, 1372.4].map(formatRate), ["0.51", "13.7", "100.0", "1372"]);
  t.same(
    [0, 1, 2].map((count) => counted(count, "case")),
    ["0 cases", "1 case", "2 cases"],
  );
});

t.test("tables align numbers right and text left", async (t) => {
  t.same(
    tableLines([
      { name: "a", count: 7, rate: 1234.5 },
      { name: "long", count: 123456, rate: undefined },
      { name: "b", count: 0.123456, rate: 2.5 },
    ]),
    [
      "name   count   rate",
      "----  ------  -----",
      "a          7   1235",
      "long  123456      -",
      "b     0.1235  2.500",
    ],
  );
});

t.test("thrown values become errors of the registry", async (t) => {
  const system = (code: string) => Object.assign(new Error("text"), { code, path: "/p" });
  const own = new MedcossError("E_CLOSED", { what: "store" });
  t.equal(toMedcossError(own), own);
  t.match(toMedcossError(system("ENOSPC")), { code: "E_DISK_FULL", values: { path: "/p" } });
  t.match(toMedcossError(system("EACCES")), { code: "E_WRITE", exitCode: 1 });
  const read = Object.assign(system("EACCES"), { syscall: "scandir" });
  t.match(toMedcossError(read), { code: "E_FILE_UNREADABLE", message: /denied \(\/p\)/ });
  t.match(toMedcossError(new TypeError("a bug")), { code: "E_INTERNAL", message: /a bug/ });
  t.match(toMedcossError("text"), { code: "E_INTERNAL" });
  t.match(toMedcossError(undefined), { code: "E_INTERNAL" });
});

t.test("a failing command prints one line and sets the exit code", async (t) => {
  const printed = t.capture(process.stderr, "write", () => true);
  const before = process.exitCode;
  t.teardown(() => {
    process.exitCode = before;
    setDebug(false);
  });
  const run = async (error: unknown) => {
    await runCommand(async () => {
      throw error;
    });
    const code = process.exitCode;
    process.exitCode = before;
    return {
      code,
      text: printed()
        .map((call) => String(call.args[0]))
        .join(""),
    };
  };
  const two = new MedcossError("E_CONFIG", { field: "a", problem: "two\n  lines" });
  t.match(await run(two), { code: 2, text: /^E_CONFIG: a: two lines\. Run [^\n]*\n$/ });
  setDebug(true);
  t.match((await run(two)).text, /\nMedcossError: [\s\S]*\n {4}at /);
  const cause = new TypeError("a bug");
  t.match(await run(cause), { code: 1, text: /^E_INTERNAL: [\s\S]*TypeError: a bug/ });
});

t.test(
  "progress is quiet at first where there is no terminal, and shows the last at its end",
  async (t) => {
    const terminal = process.stderr.isTTY;
    process.stderr.isTTY = false;
    t.teardown(() => {
      process.stderr.isTTY = terminal;
    });
    const printed = t.capture(process.stderr, "write", () => true);
    const bar = progress(4, "xray");
    bar.update(1);
    t.same(printed(), []);
    bar.update(4, "loss 0.5");
    bar.stop();
    bar.stop();
    const text = printed().map((call) => String(call.args[0]));
    t.same(text, [`xray       ${"█".repeat(24)} 4/4  loss 0.5\n`]);
  },
);

t.test("on a terminal it redraws its line", async (t) => {
  const terminal = process.stderr.isTTY;
  process.stderr.isTTY = true;
  t.teardown(() => {
    process.stderr.isTTY = terminal;
  });
  const printed = t.capture(process.stderr, "write", () => true);
  const bar = progress(0, "ct");
  bar.update(0);
  bar.stop();
  const text = printed().map((call) => String(call.args[0]));
  t.ok(text[0]?.startsWith("\r\x1b[2Kct "));
  t.equal(text.at(-1), "\n");
});
