import { readFileSync } from "node:fs";
import t from "tap";
import { loadBinding } from "../../lib/native/load.js";
import { Draws, Purpose, philox } from "../../lib/random.js";
import { packageRoot } from "../../lib/version.js";

t.test("philox gives the known answers and the same words in both languages", async (t) => {
  const native = loadBinding();
  const full = 0xffffffff;
  // Known answers of Random123 for Philox 4x32-10.
  const known: Array<[[number, number], [number, number, number, number], number[]]> = [
    [
      [0, 0],
      [0, 0, 0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [full, full],
      [full, full, full, full],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0xa4093822, 0x299f31d0],
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [key, counter, words] of known) {
    t.same(philox(key, counter), words);
    t.same([...native.philox(key, counter)], words);
  }
  const draws = new Draws(2 ** 40 + 5, 3, 70000, Purpose.crop);
  for (let i = 0; i < 200; i++) {
    const words = native.philox([5, 256], [i, 70000, ((3 << 16) | Purpose.crop) >>> 0, i % 3]);
    t.same(draws.words(i, i % 3), [...words]);
  }
});

t.test("both languages number the purposes alike", async (t) => {
  const header = readFileSync(`${packageRoot()}native/support/philox.h`, "utf8");
  const table = /enum class Purpose[^{]*\{([^}]*)\}/.exec(header)?.[1] ?? "";
  const native = Object.fromEntries(
    [...table.matchAll(/(\w+) = (\d+)/g)].map(([, name = "", number]) => [
      name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      Number(number),
    ]),
  );
  t.same(native, { ...Purpose });
});

t.test("the generator of golden values", async (t) => {
  const { formula } = loadBinding();
  const values = formula("input.image2d", 1000, 3);
  t.equal(values.length, 1000);
  t.ok(values.every((value) => value >= 0 && value < 1));
  t.same(formula("input.image2d", 10, 3), values.slice(0, 10), "a prefix is the same");
  t.notSame(formula("input.image2d", 10, 4), values.slice(0, 10), "the seed counts");
  t.equal(formula("a", 0, 0).length, 0);

  const mask = (1n << 64n) - 1n;
  const mix = (z: bigint) => {
    let r = (z + 0x9e3779b97f4a7c15n) & mask;
    r = ((r ^ (r >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    r = ((r ^ (r >> 27n)) * 0x94d049bb133111ebn) & mask;
    return r ^ (r >> 31n);
  };
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from("x.y")) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & mask;
  const start = hash + 9n * 0x632be59bd9b4e019n;
  const expected = [0n, 1n, 2n].map((i) => Number(mix((start + i) & mask) >> 11n) * 2 ** -53);
  t.same([...formula("x.y", 3, 9)], expected);
});
