import { appendFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { replaceFile, replaceJson, writing } from "../lib/files.js";

t.test("a file is replaced whole and leaves nothing beside it", async (t) => {
  const folder = t.testdir({ "a.json": "old" });
  await replaceJson(join(folder, "a.json"), { b: 1 });
  t.equal(await readFile(join(folder, "a.json"), "utf8"), '{\n  "b": 1\n}\n');
  t.same(await readdir(folder), ["a.json"]);
});

t.test("a failing replacement leaves the old file", async (t) => {
  const folder = t.testdir({ target: { inside: "" } });
  await t.rejects(replaceFile(join(folder, "target"), "x"), { code: "E_WRITE" });
  t.same(await readdir(folder), ["target"]);
});

t.test("a full disk is E_DISK_FULL with the path", async (t) => {
  await t.rejects(
    writing("/somewhere/file", () => appendFile("/dev/full", "x")),
    { code: "E_DISK_FULL", values: { path: "/somewhere/file" } },
  );
});

t.test("errors that are not the system's pass through", async (t) => {
  await t.rejects(
    writing("x", async () => {
      throw new TypeError("a bug");
    }),
    TypeError,
  );
});
