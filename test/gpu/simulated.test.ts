/**
 * The tests of this folder on a device of host memory (test/fixtures/simulated-cuda): what they start is started as on a
 * GPU, and a graph that waited for its device, or read memory of two, would fail here.
 */
import { execFile, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { findLibtorch } from "../../lib/native/libtorch.js";
import { packageRoot, packageVersion } from "../../lib/version.js";

const TIME = 900_000;
t.setTimeout(TIME);

const root = packageRoot();
const run = promisify(execFile);
const torch = findLibtorch().path;
const sources = readdirSync(join(root, "test/fixtures/simulated-cuda"))
  .filter((name) => name.endsWith(".cpp"))
  .map((name) => join(root, "test/fixtures/simulated-cuda", name));
/** The CPU's operations stand in for the kernels. */
const counterparts = [
  ...["blend_rows", "block_gelu", "block_norm", "crop_resize", "image_resizer"].map(
    (name) => `cpu/${name}`,
  ),
  "sequences",
].map((name) => join(root, "native/ops", `${name}.cpp`));
const include = [join(torch, "include"), join(torch, "include/torch/csrc/api/include")];
const flags = [
  ...["-std=c++17", "-O1", "-fPIC", "-fopenmp", "-fvisibility=hidden", "-Wall", "-Wextra"],
  ...["-Werror", "-D_GLIBCXX_USE_CXX11_ABI=1", "-DAT_PER_OPERATOR_HEADERS"],
  ...[`-DMEDCOSS_VERSION="${packageVersion()}"`, `-I${join(root, "native")}`],
  ...["vector", "map", "string", "functional", "ATen/TensorOperators.h"].flatMap((header) => [
    "-include",
    header,
  ]),
  ...include.flatMap((folder) => ["-isystem", folder]),
];
const [compiler = "c++", ...wrapped] = [
  ...(spawnSync("ccache", ["--version"]).status === 0 ? ["ccache"] : []),
  process.env.CXX ?? "c++",
];

async function compile(source: string, folder: string): Promise<string> {
  const object = join(folder, `${basename(source)}.o`);
  await run(compiler, [...wrapped, ...flags, "-c", source, "-o", object]);
  return object;
}

async function build(folder: string): Promise<string> {
  const objects: string[] = [];
  for (const source of [...sources, ...counterparts]) objects.push(await compile(source, folder));
  const library = join(folder, "libsimulated.so");
  const needed = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"];
  const libraries = needed.map((name) => join(torch, "lib", name));
  await run(compiler, [
    ...wrapped,
    "-shared",
    "-Wl,-z,defs",
    "-o",
    library,
    ...objects,
    ...libraries,
  ]);
  return library;
}

t.test(
  "operations, steps, trainers and memory on a simulated device",
  { timeout: TIME },
  async (t) => {
    const library = await build(t.testdir());
    const env = { ...process.env, MEDCOSS_SIMULATED_CUDA: library };
    const here = fileURLToPath(import.meta.url);
    for (const name of ["operations", "steps", "trainers", "memory", "lost"]) {
      const file = join(dirname(here), `${name}.test${extname(here)}`);
      const args = [...process.execArgv, file];
      const failure = await run(process.execPath, args, { env, maxBuffer: 1 << 26 }).then(
        ({ stdout }) => (/# SKIP/.test(stdout) ? "it was skipped" : ""),
        ({ stdout }) => `${stdout}`.match(/^ *not ok.*(?:\n {4,}.*){0,12}/gm)?.join("\n") ?? stdout,
      );
      t.equal(failure, "", name);
    }
  },
);
