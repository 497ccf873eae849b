import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadTokenizer } from "../../lib/data/tokenizer.js";

const folder = t.testdir();
const file = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

t.test("the default is the uncased BERT vocabulary", async (t) => {
  const tokenizer = await loadTokenizer();
  t.equal(tokenizer.vocabularySize, 30522);
  t.same(tokenizer.special, {
    pad: 0,
    unknown: 100,
    classification: 101,
    separator: 102,
    mask: 103,
  });
  const { ids, length } = tokenizer.encode("No focal consolidation, pneumothorax.", 16);
  t.same([...ids.subarray(0, 5)], [101, 2053, 15918, 17439, 1010]);
  t.equal(ids[length - 1], 102);
  t.ok(ids.subarray(length).every((id) => id === 0));
  t.equal(tokenizer.decode(ids.subarray(1, length - 1)), "no focal consolidation , pneumothorax .");
  t.equal(tokenizer.piece(2015), "##s");
  t.ok(tokenizer.isContinuation(2015));
  t.notOk(tokenizer.isContinuation(2053));
  t.throws(() => tokenizer.piece(30522), { code: "E_ARGUMENT" });
});

t.test("long texts are cut and keep their separator", async (t) => {
  const tokenizer = await loadTokenizer();
  const { ids, length } = tokenizer.encode("no ".repeat(50), 8);
  t.equal(length, 8);
  t.same([...ids], [101, 2053, 2053, 2053, 2053, 2053, 2053, 102]);
  t.equal(tokenizer.encode("", 8).length, 2);
});

const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "heart", "Lung", "##s", "the"];

t.test("vocab.txt: capital letters make it cased; words outside are unknown", async (t) => {
  const cased = await loadTokenizer(file("cased.txt", `${pieces.join("\n")}\n`));
  t.same([...cased.encode("the Lungs HEART", 8).ids], [2, 8, 6, 7, 1, 3, 0, 0]);
  const lower = pieces.map((piece) => (piece === "Lung" ? "lung" : piece));
  const uncased = await loadTokenizer(file("uncased.txt", lower.join("\r\n")));
  t.same([...uncased.encode("the Lungs HEART", 8).ids], [2, 8, 6, 7, 5, 3, 0, 0]);
  t.not(cased.digest, uncased.digest);
});

t.test("a saved tokenizer loads again and is the same", async (t) => {
  const first = await loadTokenizer(file("vocab.txt", pieces.join("\n")));
  const path = join(folder, "tokenizer.json");
  await first.save(path);
  const second = await loadTokenizer(path);
  t.equal(second.digest, first.digest);
  t.same(second.encode("the Lungs", 6), first.encode("the Lungs", 6));
});

t.test("what cannot be used is E_TOKENIZER with the reason", async (t) => {
  const saved = join(folder, "good.json");
  await (await loadTokenizer(file("v.txt", pieces.join("\n")))).save(saved);
  const hole = JSON.parse(readFileSync(saved, "utf8"));
  hole.model.vocab.the = 40;
  const cases: Array<[string, RegExp]> = [
    [join(folder, "missing.txt"), /ENOENT/],
    [file("bpe.json", '{"model":{"type":"BPE","vocab":{}}}'), /WordPiece/],
    [file("broken.json", "{"), /WordPiece/],
    [file("twice.txt", `${pieces.join("\n")}\nheart`), /twice/],
    [file("nomask.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nheart"), /\[MASK\]/],
    [file("hole.json", JSON.stringify(hole)), /no piece has id/],
  ];
  for (const [path, message] of cases) {
    await t.rejects(loadTokenizer(path), { code: "E_TOKENIZER", message }, path);
  }
});
