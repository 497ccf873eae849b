import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { packageRoot } from "../helpers/package-root.js";

interface Arrows {
  nativeProblems(root: string): string[];
  libraryProblems(root: string): string[];
}
interface Symbols {
  symbolProblems(name: string, text: string): string[];
}
const load = (name: string) => import(join(packageRoot, "scripts/check", name));

t.test("arrows point down here", async (t) => {
  const { nativeProblems, libraryProblems }: Arrows = await load("arrows.mjs");
  t.same(nativeProblems(packageRoot), []);
  t.same(libraryProblems(packageRoot), []);
});

t.test("an arrow that points up is found", async (t) => {
  const { nativeProblems, libraryProblems }: Arrows = await load("arrows.mjs");
  const root = t.testdir();
  cpSync(join(packageRoot, "native/support"), join(root, "native/support"), { recursive: true });
  writeFileSync(
    join(root, "native/support/wrong.h"),
    '#include "model/network.h"\n#include "x.h"\n',
  );
  mkdirSync(join(root, "lib/data"), { recursive: true });
  writeFileSync(
    join(root, "lib/data/wrong.ts"),
    'import type { A } from "../cli/common.js";\nimport { b } from "../cli/common.js";\nimport "./c.js";\n' +
      'import { load } from "../native/load.js";\n',
  );
  writeFileSync(join(root, "lib/stray.ts"), "");
  t.same(nativeProblems(root), [
    "native/support/wrong.h includes model/network.h, above it",
    'native/support/wrong.h includes "x.h", of no layer',
  ]);
  t.same(libraryProblems(root).sort(), [
    "lib/data/wrong.ts imports lib/cli/common.ts, above it",
    "lib/data/wrong.ts imports lib/native/load.ts; only lib/trainer.ts may",
    "lib/stray.ts belongs to no layer of scripts/check/arrows.mjs",
  ]);
});

t.test("a symbol or library that older systems lack is found", async (t) => {
  const { symbolProblems }: Symbols = await load("symbols.mjs");
  const fine =
    "(NEEDED) Shared library: [libc.so.6]\n Name: GLIBC_2.34  Flags\n Name: GLIBCXX_3.4.29";
  t.same(symbolProblems("a", fine), []);
  const wrong = `${fine}\n Name: GLIBCXX_3.4.30\n Name: GLIBC_2.38\n(NEEDED) [libfoo.so]\n (RUNPATH) x`;
  t.equal(symbolProblems("a", wrong).length, 4);
  t.match(symbolProblems("a", ""), ["a: readelf showed no versions"]);
});
