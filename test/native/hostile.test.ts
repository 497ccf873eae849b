/**
 * Every function of the addon, called past the TypeScript types with arguments that are wrong in one place each.
 *
 * Invariant: what has the wrong type is refused with a code, whatever is odd settles, and nothing ends the process or
 * comes back as an internal error.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { loadBinding } from "../../lib/native/load.js";
import type { NativeTrainer } from "../../lib/native/types.js";
import { arraysOf, detach, leaves, replaced, wrongFor } from "../helpers/hostile-arguments.js";
import { imageBatch, key, microOptions, textBatch, volumeBatch } from "../helpers/trainer.js";

type Call = (...args: unknown[]) => unknown;

const binding = loadBinding();
const floats = (count: number) => Float32Array.from({ length: count }, (_, i) => (i % 7) / 7);

// Many calls; seconds on a free machine.
t.setTimeout(240_000);

const ranks = { samples: 4, dimensions: 2, clusters: 2 };
const rules = { seed: 0, restarts: 1, maxIterations: 5, tolerance: 1e-4, device: "cpu" };
const boxes = { crops: Float32Array.of(0, 0, 8, 8), flips: Uint8Array.of(1) };
const grid = { size: [4, 3, 2], scale: [0.5, 1, 2], shift: [0, 0.25, -1] };
const choices = { interpolation: "bspline", boundary: "mirror", dtype: "int16" };

/** Arguments that are right, by function. */
const right: Record<string, unknown[]> = {
  configureThreads: [2],
  formula: ["weights", 3, 0],
  philox: [
    [1, 2],
    [1, 2, 3, 4],
  ],
  cropResize: [{ pixels: new Uint8Array(192), shape: [1, 8, 8, 3], ...boxes, size: 4 }],
  resample: [
    {
      ...{ voxels: Int16Array.from(floats(24), (x) => 1000 * x), shape: [2, 3, 4] },
      ...{ ...grid, ...choices, antialias: true, outside: 0, keepRange: true },
    },
  ],
  kmeans: [{ data: floats(8), ...ranks, centres: floats(4), ...rules }],
  featureDistance: [
    {
      student: floats(24),
      teacher: new Float32Array(24),
      shape: [2, 3, 4],
      real: new Uint8Array(6),
    },
  ],
};

const PATCHES = 16;
const noise = floats(2 * PATCHES);
const crops = Float32Array.of(0, 0, 64, 64, 3, 5, 40.5, 32);
const image = { ...imageBatch(), crops, flips: Uint8Array.of(0, 1) };
const volume = { ...volumeBatch(), flips: Uint8Array.of(7, 2) };
const text = textBatch();
const probe = {
  ...{ objective: "replay", noise, lambda: floats(2), partner: Int32Array.of(1, 0) },
  ...{ gradients: [{ name: "cls_token", at: [0, 3] }], predictedRows: 2 },
};
const probeText = { objective: "replay", keep: new Uint8Array(24), partner: Int32Array.of(1, 0) };
const step = { learningRate: 1e-3, objective: "plain", noise };
const replay = { learningRate: 1e-3, objective: "replay", targets: floats(2 * 12 * 16) };

const methods: Array<[keyof NativeTrainer, unknown[]]> = [
  ["evaluate", [text, key(0)]],
  ["evaluate", [image, key(0)]],
  ["features", [volume, key(0)]],
  ["reconstruct", [image, key(0)]],
  ["reconstruct", [text, key(0)]],
  ["probe", [image, key(0), probe]],
  ["probe", [text, key(0), probeText]],
  ["trainStep", [volume, key(0), step]],
  ["trainStep", [text, key(0), replay]],
];

/** How a call ends: `done`, or the code of its error. */
async function ends(call: () => unknown): Promise<string> {
  try {
    await call();
    return "done";
  } catch (error) {
    const { code, values, message } = error as Error & { code?: string; values?: object };
    return code === "E_INTERNAL" ? `E_INTERNAL ${JSON.stringify(values)}` : (code ?? message);
  }
}

/** Refused with the code; a trap of the caller's own, or one that V8 springs, comes back as it is. */
const refusal = /^(E_ARGUMENT|trapped|Cannot perform 'get' on a proxy that has been revoked)$/;
const settled = /^(done|trapped|E_(?!INTERNAL)[A-Z_]+)$/;

/** One place after the other is wrong in every way. */
async function tryAll(t: Test, name: string, call: Call, args: unknown[]): Promise<void> {
  t.equal(await ends(() => call(...args)), "done", `${name} with what is right`);
  const unexpected: string[] = [];
  for (const path of leaves(args)) {
    for (const { label, value, refused } of wrongFor(path, args)) {
      const end = await ends(() => call(...replaced(args, path, value)));
      if (!(refused ? refusal : settled).test(end))
        unexpected.push(`${path.join(".")} = ${label}: ${end}`);
    }
  }
  t.same(unexpected, [], `${name} with what is wrong`);
  t.equal(await ends(() => call(...args)), "done", `${name} with what is right, once more`);
}

for (const [name, args] of Object.entries(right)) {
  t.test(name, async (t) => {
    const call = Reflect.get(binding, name) as Call;
    await tryAll(t, name, call, args);
  });
}

t.test("functions of a GPU, where none was opened", async (t) => {
  for (const name of ["openCuda", "freeCudaMemory", "peakCudaMemory", "compareOperations"]) {
    const call = Reflect.get(binding, name) as Call;
    for (const { label, value } of wrongFor([0], [{}])) {
      t.match(
        await ends(() => call(value)),
        /^E_(ARGUMENT|NO_CUDA)|trapped|revoked/,
        `${name} ${label}`,
      );
    }
  }
});

t.test("the options of a trainer", async (t) => {
  const all = {
    ...microOptions(),
    accumulate: 1,
    graphs: true,
    teacher: { kind: "formula", seed: 1 },
  };
  const make = (options: unknown) => new binding.Trainer(options as never).close();
  await tryAll(t, "Trainer", make, [all]);
  const file = { kind: "file", path: "/nowhere", scope: "all" };
  for (const { label, value, refused } of wrongFor(["path"], file)) {
    const options = microOptions({ start: { ...file, path: value } as never });
    const end = await ends(async () => {
      const trainer = new binding.Trainer(options);
      await trainer.ready().finally(() => trainer.close());
    });
    t.match(end, refused ? refusal : /^E_(NO_CHECKPOINT|ARGUMENT|CHECKPOINT_CORRUPT)$/, label);
  }
});

t.test("methods of a trainer", async (t) => {
  const trainer = new binding.Trainer(microOptions({ teacher: { kind: "start" } }));
  for (const [name, args] of methods) {
    const call = (...given: unknown[]) => (trainer[name] as Call).apply(trainer, given);
    await tryAll(t, `${name} of ${(args[0] as { kind: string }).kind}`, call, args);
  }
  const directory = t.testdir({});
  for (const name of ["save", "load"] as const) {
    await tryAll(t, name, (path) => trainer[name](path as string), [directory]);
    t.equal(await ends(() => trainer[name](`${directory}\0`)), "E_ARGUMENT", `${name}: a NUL`);
  }
  t.same(await ends(() => trainer.save(join(directory, "none"))), "E_WRITE");
  await trainer.close();
  for (const [name, args] of methods) {
    const call = trainer[name] as Call;
    t.equal(await ends(() => call.apply(trainer, args)), "E_CLOSED", `${name} after close`);
    t.equal(await ends(() => call.call(trainer)), "E_CLOSED", `${name} of nothing after close`);
  }
});

t.test("methods on what is no trainer", async (t) => {
  for (const name of Object.getOwnPropertyNames(binding.Trainer.prototype)) {
    for (const { label, value } of wrongFor([0], [1])) {
      const call = Reflect.get(binding.Trainer.prototype, name) as Call;
      t.not(await ends(() => call.call(value)), "done", `${name} on ${label}`);
    }
  }
});

t.test("samples and centres of which none is the nearest", async (t) => {
  const [plan] = right.kmeans as [object];
  for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 3.4e38, -1.1e16]) {
    for (const [name, count] of [["data", 8] as const, ["centres", 4] as const]) {
      const wrong = { ...plan, [name]: new Float32Array(count).fill(x) };
      t.equal(await ends(() => binding.kmeans(wrong as never)), "E_ARGUMENT", `${name} of ${x}`);
    }
  }
  const data = Float32Array.from({ length: 8 }, (_, i) => (i % 3 ? -1e16 : 1e16));
  t.equal(await ends(() => binding.kmeans({ ...plan, data } as never)), "done");
});

t.test("memory that a call works in cannot be taken away", async (t) => {
  const [plan] = right.cropResize as [object];
  const into = new Float32Array(48);
  Object.defineProperty(into, "buffer", { value: new SharedArrayBuffer(192) });
  t.equal(await ends(() => binding.cropResize({ ...plan, into } as never)), "E_ARGUMENT");
});

t.test("arrays that are handed away while a call works with them", async (t) => {
  const trainer = new binding.Trainer(microOptions({ teacher: { kind: "start" } }));
  const calls: Array<[string, Call, unknown[]]> = [
    ...Object.entries(right).map(([name, args]): [string, Call, unknown[]] => [
      name,
      Reflect.get(binding, name) as Call,
      args,
    ]),
    ...methods.map(([name, args]): [string, Call, unknown[]] => [
      name,
      (...given) => (trainer[name] as Call).apply(trainer, given),
      args,
    ]),
  ];
  for (const [name, call, args] of calls.filter(([, , args]) => arraysOf(args).length > 0)) {
    const given = structuredClone(args);
    const pending = ends(() => call(...given));
    for (const array of arraysOf(given)) detach(array);
    t.ok(arraysOf(given).every((array) => array.byteLength === 0));
    t.equal(await pending, "done", name);
  }
  await trainer.close();
});
