import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadTokenizer } from "../../lib/data/tokenizer.js";
import { IGNORE, maskWords } from "../../lib/data/word-mask.js";
import { Draws, Purpose } from "../../lib/random.js";

const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
for (let i = 0; i < 200; i++) pieces.push(i % 4 === 3 ? `##p${i}` : `p${i}`);
const path = join(t.testdir(), "vocab.txt");
writeFileSync(path, pieces.join("\n"));
const tokenizer = await loadTokenizer(path);
const LENGTH = 112;

/** A sequence of `real` tokens: every fourth piece goes on with the word before it. */
function sequence(real: number): Int32Array {
  const ids = new Int32Array(LENGTH);
  ids[0] = 2;
  for (let i = 1; i < real - 1; i++) ids[i] = 5 + ((i - 1) % 200);
  ids[real - 1] = 3;
  return ids;
}

function mask(
  real: number,
  quota: "padded-length" | "real-tokens",
  step: number,
  probability = 0.15,
) {
  const before = sequence(real);
  const ids = before.slice();
  const labels = new Int32Array(LENGTH);
  maskWords(
    ids,
    real,
    labels,
    { tokenizer, quota, probability },
    {
      index: step % 7,
      draws: new Draws(1, 2, step, Purpose.wordMask),
      replacements: new Draws(1, 2, step, Purpose.wordReplacement),
    },
  );
  return { before, ids, labels };
}

t.test("words are chosen whole; special pieces and padding never", async (t) => {
  for (let step = 0; step < 50; step++) {
    const { before, ids, labels } = mask(60, "real-tokens", step);
    for (let i = 0; i < LENGTH; i++) {
      const label = labels[i] as number;
      if (label === IGNORE) t.equal(ids[i], before[i]);
      else t.equal(label, before[i]);
      if (i === 0 || i >= 59) t.equal(label, IGNORE);
      const joined = i > 1 && i < 59 && tokenizer.isContinuation(before[i] as number);
      if (joined) t.equal(label === IGNORE, labels[i - 1] === IGNORE);
    }
  }
});

t.test(
  "the quota: 15 % of the real tokens, or 17 of 112 with padding among the candidates",
  async (t) => {
    const chosen = (real: number, quota: "padded-length" | "real-tokens", step: number) =>
      mask(real, quota, step).labels.filter((label) => label !== IGNORE).length;
    for (let step = 0; step < 40; step++) {
      t.equal(chosen(62, "real-tokens", step), 9);
      t.equal(chosen(112, "padded-length", step), 17);
      t.ok(chosen(30, "padded-length", step) <= 17);
    }
    const counts = Array.from({ length: 400 }, (_, step) => chosen(12, "padded-length", step));
    const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
    t.ok(Math.abs(mean - (10 * 17) / 110) < 0.2, `mean ${mean}`);
    t.ok(counts.includes(0), "a short text may have none");
    t.equal(chosen(3, "real-tokens", 0), 1, "at least one");
  },
);

t.test("80 % masked, 10 % random, 10 % kept", async (t) => {
  let [masked, kept, other] = [0, 0, 0];
  for (let step = 0; step < 400; step++) {
    const { before, ids, labels } = mask(112, "real-tokens", step);
    for (let i = 0; i < LENGTH; i++) {
      if (labels[i] === IGNORE) continue;
      if (ids[i] === tokenizer.special.mask) masked++;
      else if (ids[i] === before[i]) kept++;
      else other++;
      t.ok((ids[i] as number) < tokenizer.vocabularySize);
    }
  }
  const total = masked + kept + other;
  t.ok(Math.abs(masked / total - 0.8) < 0.02, `masked ${masked / total}`);
  t.ok(Math.abs(other / total - 0.1) < 0.02, `random ${other / total}`);
});

t.test("unknown words are never predicted, and a text of nothing else has no label", async (t) => {
  for (const quota of ["real-tokens", "padded-length"] as const) {
    const ids = new Int32Array(8).fill(1);
    ids[0] = 2;
    ids[7] = 3;
    const labels = new Int32Array(8);
    maskWords(
      ids,
      8,
      labels,
      { tokenizer, quota, probability: 0.9 },
      {
        index: 0,
        draws: new Draws(1, 1, 1, Purpose.wordMask),
        replacements: new Draws(1, 1, 1, Purpose.wordReplacement),
      },
    );
    t.ok(labels.every((label) => label === IGNORE));
  }
});

t.test("the same key gives the same masks", async (t) => {
  t.same(mask(50, "real-tokens", 3), mask(50, "real-tokens", 3));
  t.notSame(mask(50, "real-tokens", 3), mask(50, "real-tokens", 10));
});
