import t from "tap";
import {
  buildInfo,
  configureThreads,
  featureDistance,
  formula,
  Trainer,
} from "../../lib/trainer.js";
import { imageBatch, microOptions, textBatch } from "../helpers/trainer.js";

const key = { stage: 0, step: 0 };

const values = (name: string, count: number) => Float32Array.from(formula(name, count, 1));

/** Loss and gradient in float64. */
function plain(student: Float32Array, teacher: Float32Array, width: number, real: Uint8Array) {
  const counts = (i: number) => real[Math.floor(i / width)] === 1;
  const elements = real.reduce((sum, one) => sum + one, 0) * width;
  const difference = Float64Array.from(student, (s, i) =>
    counts(i) ? s - (teacher[i] as number) : 0,
  );
  const loss = difference.reduce((sum, x) => sum + x * x, 0) / elements;
  return { loss, gradient: difference.map((x) => (2 * x) / elements) };
}

const worst = (found: Float32Array, expected: Float64Array) =>
  Math.max(...found.map((x, i) => Math.abs(x - (expected[i] as number))));

t.test("loss and gradient are those of the plain mean over real rows", async (t) => {
  for (const [batch, length, width] of [
    [3, 7, 13],
    [1, 1, 1],
    [4, 50, 32],
  ] as const) {
    const rows = batch * length;
    const [student, teacher] = [values("s", rows * width), values("t", rows * width)];
    const shape: [number, number, number] = [batch, length, width];
    const real = Uint8Array.from({ length: rows }, (_, i) => (i % 3 === 1 ? 0 : 1));
    const all = new Uint8Array(rows).fill(1);
    for (const mask of [real, all]) {
      const given = { student, teacher, shape, ...(mask === real && { real }) };
      const { loss, gradient } = await featureDistance(given);
      const expected = plain(student, teacher, width, mask);
      t.ok(Math.abs(loss / expected.loss - 1) < 1e-6, `${shape}: loss`);
      t.ok(worst(gradient, expected.gradient) < 1e-7 * (2 / width), `${shape}: gradient`);
    }
  }
});

t.test("the gradient is the slope of the loss", async (t) => {
  const shape: [number, number, number] = [2, 3, 5];
  const [student, teacher] = [values("s", 30), values("t", 30)];
  const real = Uint8Array.of(1, 1, 0, 1, 0, 0);
  const { gradient } = await featureDistance({ student, teacher, shape, real });
  const step = 0.25;
  for (const at of [0, 9, 14, 17, 29]) {
    const moved = async (by: number) => {
      const there = student.map((x, i) => (i === at ? x + by : x));
      return (await featureDistance({ student: there, teacher, shape, real })).loss;
    };
    const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
    t.ok(Math.abs(slope - (gradient[at] as number)) < 1e-5, `element ${at}`);
  }
});

t.test("threads change nothing; without real rows the loss is not a number", async (t) => {
  const { threads } = buildInfo();
  t.teardown(() => configureThreads(threads));
  const shape: [number, number, number] = [5, 61, 64];
  const [student, teacher] = [values("s", 5 * 61 * 64), values("t", 5 * 61 * 64)];
  configureThreads(1);
  const one = await featureDistance({ student, teacher, shape });
  configureThreads(2);
  const two = await featureDistance({ student, teacher, shape });
  t.equal(two.loss, one.loss);
  t.same(two.gradient, one.gradient);
  const none = new Uint8Array(5 * 61);
  t.ok(Number.isNaN((await featureDistance({ student, teacher, shape, real: none })).loss));
});

t.test("shapes that do not fit are refused", async (t) => {
  const shape: [number, number, number] = [2, 3, 4];
  const refused = { code: "E_ARGUMENT" };
  const student = new Float32Array(24);
  const short = { student, teacher: new Float32Array(23), shape };
  await t.rejects(featureDistance(short), refused);
  const mask = { student, teacher: student, shape, real: new Uint8Array(5) };
  await t.rejects(featureDistance(mask), refused);
});

t.test("given targets take the place of teacher and mixup", async (t) => {
  const batch = { image: imageBatch(1), text: textBatch(1) };
  const noise = values("noise", 16);
  const start = { kind: "formula", seed: 1 } as const;
  const other = { kind: "formula", seed: 2 } as const;
  await using teacher = await Trainer.create(microOptions({ start: other }));
  for (const kind of ["image", "text"] as const) {
    const injected = kind === "image" ? { noise } : {};
    const step = { learningRate: 1e-3, objective: "replay", ...injected } as const;
    // Mixed with itself, a single sample stays what it is.
    await using paired = await Trainer.create(microOptions({ start, teacher: other }));
    const expected = await paired.trainStep(batch[kind], key, step);
    const { encoded } = await teacher.probe(batch[kind], key, { objective: "plain", ...injected });
    await using alone = await Trainer.create(microOptions({ start }));
    const found = await alone.trainStep(batch[kind], key, { ...step, targets: encoded });
    t.ok(Math.abs(found.loss / expected.loss - 1) < 1e-4, `${kind}: loss`);
    t.ok(Math.abs(found.gradientNorm / expected.gradientNorm - 1) < 1e-3, `${kind}: gradient`);
    t.ok(expected.loss > 0);
    const short = encoded.slice(16);
    for (const targets of [short, short.slice(1)]) {
      const wrong = alone.trainStep(batch[kind], key, { ...step, targets });
      await t.rejects(wrong, { code: "E_ARGUMENT" });
    }
    await t.rejects(alone.trainStep(batch[kind], key, step), { code: "E_NO_TEACHER" });
  }
});
