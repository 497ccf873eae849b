import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { fakeCheckout, lockFile, realSetup } from "../helpers/checkout.js";

t.test("a set-up checkout is left alone in under two seconds, in silence", async (t) => {
  const { code, stdout, stderr, seconds } = await realSetup();
  t.same({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  t.ok(seconds < 2, `took ${seconds} s`);
});

t.test("the first run makes everything, the second nothing", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  const first = await checkout.setup();
  t.match(first, {
    code: 0,
    stdout: "",
    stderr: /Installing node modules[\s\S]*Building the addon/,
  });
  t.same(checkout.calls(), ["npm", "build", "tsc"]);
  t.match(await checkout.setup(), { code: 0, stdout: "", stderr: "" });
  t.equal(checkout.calls().length, 3);
});

t.test("a CPU's build is told as complete, and at the end what can be run", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  const { stderr } = await checkout.setup({}, ["--next"]);
  t.match(stderr, /^Building all that a CPU needs \(for an NVIDIA GPU as well: .*--cuda\)$/m);
  const next = "Ready. Next: npm run demo, npm test, or npm run bench -- --help\n";
  t.ok(stderr.endsWith(next));
  t.equal((await checkout.setup({}, ["--next"])).stderr, next, "also where nothing was to be made");
});

t.test("only what changed is made again", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  await checkout.setup();
  const again = async (change: () => void) => {
    const before = checkout.calls().length;
    change();
    await checkout.setup();
    return checkout.calls().slice(before);
  };
  const at = (path: string) => join(checkout.root, path);
  t.same(await again(() => appendFileSync(at("native/core.cpp"), "\n")), ["build"]);
  t.same(await again(() => appendFileSync(at("lib/index.ts"), "\n")), ["tsc"]);
  t.same(await again(() => writeFileSync(at("package-lock.json"), lockFile("1.0.1"))), ["npm"]);
  t.same(await again(() => rmSync(at("dist"), { recursive: true })), ["tsc"]);
  t.same(await again(() => rmSync(at("build/native"), { recursive: true })), ["build"]);
});

t.test("two at once do the work once", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  const outcomes = await Promise.all([checkout.setup(), checkout.setup()]);
  t.same(
    outcomes.map(({ code }) => code),
    [0, 0],
  );
  t.same(checkout.calls(), ["npm", "build", "tsc"]);
});

t.test("a missing compiler is one line that says how to get it", async (t) => {
  const checkout = fakeCheckout(t.testdir(), { without: ["c++"] });
  const { code, stdout, stderr } = await checkout.setup();
  const lines = stderr
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("E_"));
  t.same({ code, stdout }, { code: 1, stdout: "" });
  t.same(lines, [
    "E_TOOL_MISSING: A C++ compiler is missing. Install it: sudo apt-get install g++ (or dnf install gcc-c++)",
  ]);
});

t.test("a compiler named by CXX is the one that counts", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  t.match(await checkout.setup({ CXX: "no-such-compiler" }), {
    code: 1,
    stderr: /E_TOOL_MISSING: The C\+\+ compiler no-such-compiler is missing/,
  });
});

t.test("missing python3 is told where LibTorch has to be fetched", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  const outcome = await checkout.setup({ MEDCOSS_LIBTORCH: "" });
  t.match(outcome, {
    code: 1,
    stderr: /E_TOOL_MISSING: python3.*Install it: sudo apt-get install python3/,
  });
});

t.test("missing cmake is told where it cannot be fetched", async (t) => {
  const checkout = fakeCheckout(t.testdir(), { without: ["cmake"] });
  t.match(await checkout.setup(), { code: 1, stderr: /E_TOOL_MISSING: python3/ });
});

t.test("MEDCOSS_LIBTORCH that does not fit is not passed over", async (t) => {
  const checkout = fakeCheckout(t.testdir());
  const { code, stderr } = await checkout.setup({ MEDCOSS_LIBTORCH: "/nowhere" });
  t.equal(code, 1);
  t.match(stderr, "E_LIBTORCH_MISSING: MEDCOSS_LIBTORCH=/nowhere does not exist.");
});

t.test("a failed build shows its last lines and is tried again", async (t) => {
  const checkout = fakeCheckout(t.testdir(), { buildError: "core.cpp:1: error: expected" });
  const { code, stderr } = await checkout.setup();
  t.equal(code, 1);
  t.match(stderr, /\| core.cpp:1: error: expected\nE_SETUP: Building the addon.*native-build.log/);
  await checkout.setup();
  t.same(checkout.calls(), ["npm", "build", "build"]);
});
