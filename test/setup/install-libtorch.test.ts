import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { MedcossError } from "../../lib/errors.js";
import { installFolder } from "../../lib/native/libtorch/find.mjs";
import { cpuWheels, cudaWheels } from "../../lib/native/libtorch/pins.mjs";
import { findLibtorch, installLibtorch, removeLibtorch } from "../../lib/native/libtorch.js";
import { type FakePipOptions, type FakePython, fakePython } from "../helpers/fake-python.js";

t.setTimeout(120_000);
const small = { download: 1, unpacked: 1 };

/** Installs with a fake pip. */
function install(python: FakePython, options: Parameters<typeof installLibtorch>[0] = {}) {
  return installLibtorch({
    set: { wheels: python.wheels, need: small },
    env: python.env,
    ...options,
  });
}

/** The code and message of the error that an installation ends with. */
async function refusal(python: FakePython, options: Parameters<typeof installLibtorch>[0] = {}) {
  try {
    await install(python, options);
  } catch (error) {
    if (error instanceof MedcossError) return { code: error.code, line: error.toLine() };
    throw error;
  }
  throw new Error("the installation succeeded");
}

t.test("fetches wheel by wheel, then is found in the cache", async (t) => {
  const python = fakePython(t.testdir());
  const lines: string[] = [];
  const libtorch = await install(python, { log: (line) => lines.push(line) });
  t.match(libtorch, { how: "cache", path: join(installFolder("cpu", python.env), "torch") });
  t.match(findLibtorch(python.env), libtorch);
  t.same(python.calls(), ["download torch", "download runtime"]);
  t.match(lines[0], /^LibTorch: .* GB to download, .* GB of disk at /);
  await install(python);
  t.equal(python.calls().length, 2, "a second time does nothing");
});

t.test("a wheel that is there is not fetched again, a broken one is", async (t) => {
  const python = fakePython(t.testdir());
  await install(python);
  breakInstallation(python);
  writeFileSync(
    join(String(python.env.MEDCOSS_CACHE), "wheels", "runtime-1.0-py3-none-any.whl"),
    "half",
  );
  await install(python);
  t.same(python.calls().slice(2), ["download runtime"]);
});

/** Leaves what a half-deleted cache leaves. */
function breakInstallation(python: FakePython): void {
  rmSync(join(installFolder("cpu", python.env), "torch", "lib"), { recursive: true });
}

t.test("what a killed process left is removed", async (t) => {
  const python = fakePython(t.testdir());
  const cache = String(python.env.MEDCOSS_CACHE);
  const left = ["libtorch-2.11.0-cpu.1.tmp", "wheels/.part-1"].map((name) => join(cache, name));
  for (const path of left) mkdirSync(path, { recursive: true });
  await install(python);
  for (const path of left) t.notOk(existsSync(path));
});

t.test("the GPU set replaces the CPU set", async (t) => {
  const python = fakePython(t.testdir());
  await install(python);
  t.match(await install(python, { cuda: true }), { cuda: true });
  t.notOk(existsSync(installFolder("cpu", python.env)));
  t.notMatch(python.calls().slice(2), ["download torch"], "wheels are kept");
});

t.test("wheels at hand need neither network nor Python, and are kept", async (t) => {
  const python = fakePython(t.testdir());
  const env = { ...python.env, PATH: "/nowhere" };
  const lines: string[] = [];
  await install(python, { env, files: python.files, log: (line) => lines.push(line) });
  t.match(lines, [/^LibTorch: nothing to download/, /^torch 1.0: from .*registry/]);
  for (const file of python.files) rmSync(file);
  breakInstallation(python);
  t.match(await install(python, { env }), { how: "cache" }, "a repair needs no more");
  t.same(python.calls(), []);
});

t.test("some wheels at hand: the others are fetched", async (t) => {
  const python = fakePython(t.testdir());
  await install(python, { files: python.files.slice(1) });
  t.same(python.calls(), ["download torch"]);
});

t.test("wheels of another disk are copied", async (t) => {
  const elsewhere = mkdtempSync(join("/dev/shm", "medcoss-"));
  t.teardown(() => rmSync(elsewhere, { recursive: true }));
  const python = fakePython(t.testdir());
  const files = python.files.map((file) => {
    const copy = join(elsewhere, basename(file));
    copyFileSync(file, copy);
    return copy;
  });
  await install(python, { files });
  t.match(readdirSync(join(String(python.env.MEDCOSS_CACHE), "wheels")).sort(), [
    "runtime-1.0-given.whl",
    "torch-1.0-given.whl",
  ]);
});

t.test(
  "pip has the user's index and proxy, and a place of its own for what it writes",
  async (t) => {
    const python = fakePython(t.testdir());
    const own = {
      PIP_INDEX_URL: "https://index.example/simple",
      HTTPS_PROXY: "http://proxy.example:3128",
      PIP_USER: "1",
    };
    await install(python, { env: { ...python.env, ...own } });
    const environment = python.environment();
    t.match(environment, /^PIP_INDEX_URL=https:\/\/index\.example\/simple$/m);
    t.match(environment, /^HTTPS_PROXY=http:\/\/proxy\.example:3128$/m);
    t.match(environment, /^PIP_USER=0$/m, "would contradict --target");
    t.match(environment, /^TMPDIR=.*\/cache\/wheels\/\.part-\d+$/m);
  },
);

t.test("two at once fetch once", async (t) => {
  const python = fakePython(t.testdir());
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  await Promise.all([install(python, { log }), install(python, { log })]);
  t.equal(python.calls().length, 2);
  t.ok(lines.includes("waiting for another process that installs LibTorch"));
});

t.test("an old pip is replaced in the cache", async (t) => {
  const python = fakePython(t.testdir(), { pip: "20.0.2" });
  await install(python);
  t.equal(python.calls()[0], "install pip");
  t.match(readdirSync(join(String(python.env.MEDCOSS_CACHE), "tools")), [/^pip-/]);
});

t.test("an old pip that cannot be replaced serves where it can", async (t) => {
  const failing: FakePipOptions["failing"] = { install: "ERROR: not there" };
  const old = await refusal(fakePython(t.testdir(), { pip: "19.3", failing }));
  t.match(old, { code: "E_LIBTORCH_INSTALL", line: /pip 19.3 is too old; not there/ });
  const usable = fakePython(join(t.testdirName, "b"), { pip: "21.0", failing });
  t.match(await install(usable), { how: "cache" });
});

t.test("every failure is one line", async (t) => {
  const cases: Array<
    [string, FakePipOptions, Parameters<typeof installLibtorch>[0], string, RegExp]
  > = [
    [
      "pip fails",
      { failing: { download: "ERROR: No matching distribution" } },
      {},
      "E_LIBTORCH_INSTALL",
      /torch 1.0: No matching/,
    ],
    [
      "pip says nothing",
      { failing: { download: "" } },
      {},
      "E_LIBTORCH_INSTALL",
      /pip ended with code 1/,
    ],
    ["wrong digest", { content: "other" }, {}, "E_LIBTORCH_INSTALL", /torch 1.0: wrong digest/],
    [
      "incomplete",
      { without: ["libc10.so"] },
      {},
      "E_LIBTORCH_INSTALL",
      /the new installation incomplete/,
    ],
    [
      "no pip",
      { failing: { "--version": "No module named pip" } },
      {},
      "E_TOOL_MISSING",
      /pip of python3 is missing/,
    ],
    [
      "unknown wheel",
      {},
      { files: [import.meta.filename] },
      "E_LIBTORCH_INSTALL",
      /is not one of the pinned wheels/,
    ],
    [
      "other processor",
      {},
      { architecture: "arm64" },
      "E_LIBTORCH_INSTALL",
      /for x64, this is arm64; install torch 2\.11\.0 for python3/,
    ],
    [
      "missing wheel",
      {},
      { files: ["/nowhere.whl"] },
      "E_LIBTORCH_INSTALL",
      /nowhere.whl does not exist/,
    ],
  ];
  for (const [name, fake, options, code, line] of cases) {
    const found = await refusal(
      fakePython(join(t.testdirName, name.replaceAll(" ", "-")), fake),
      options,
    );
    t.match(found, { code, line }, name);
    t.notOk(found.line.includes("\n"), `${name}: one line`);
  }
});

t.test("no python3, no space, no way to write", async (t) => {
  const python = fakePython(t.testdir());
  const env = { ...python.env, PATH: "/nowhere" };
  t.match(await refusal(python, { env }), {
    code: "E_TOOL_MISSING",
    line: /python3 is missing. Install it/,
  });
  const set = { wheels: python.wheels, need: { download: 1e18, unpacked: 1e18 } };
  t.match(await refusal(python, { set }), {
    code: "E_LIBTORCH_INSTALL",
    line: /GB free and .* GB are needed/,
  });
  const blocked = { ...python.env, MEDCOSS_CACHE: "/dev/null/cache" };
  t.match(await refusal(python, { env: blocked }), { code: "E_LIBTORCH_INSTALL" });
});

t.test("removal takes what was installed and nothing else", async (t) => {
  const python = fakePython(t.testdir());
  t.same(await removeLibtorch(python.env), [], "nothing yet");
  await install(python);
  const own = join(String(python.env.MEDCOSS_CACHE), "of-the-user");
  writeFileSync(own, "");
  t.equal((await removeLibtorch(python.env)).length, 3);
  t.same(readdirSync(String(python.env.MEDCOSS_CACHE)), ["of-the-user"]);
});

t.test("the pinned sets", async (t) => {
  t.same(
    cpuWheels.map(({ name }) => name),
    ["torch", "nvidia-cuda-runtime", "nvidia-cuda-cupti"],
  );
  t.ok(cudaWheels.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256)));
  t.equal(new Set(cudaWheels.map(({ name }) => name)).size, cudaWheels.length);
});
