import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { binaryFolders, findBinaries, loadBinding, loadFrom } from "../../lib/native/load.js";

t.test("a missing addon names every place tried", async (t) => {
  const root = t.testdir({});
  t.throws(() => findBinaries(root), {
    code: "E_ADDON_MISSING",
    message: new RegExp(binaryFolders.join(".*")),
    remedy: /npm run setup/,
  });
});

t.test("the local build comes before the prebuilt one", async (t) => {
  const binary = { Release: { "medcoss.node": "" } };
  const root = t.testdir({ build: { native: binary }, prebuilds: { "linux-x64": binary.Release } });
  t.equal(findBinaries(root), join(root, "build/native/Release"));
  const shipped = t.testdir({ prebuilds: { "linux-x64": binary.Release } });
  t.equal(findBinaries(shipped), join(shipped, "prebuilds/linux-x64"));
});

t.test("a damaged addon says what the dynamic linker says", async (t) => {
  const folder = t.testdir({});
  for (const name of ["medcoss.node", "medcoss_loader.node"]) writeFileSync(join(folder, name), "x");
  t.throws(() => loadFrom(folder), { code: "E_ADDON_LOAD", message: /medcoss\.node.*too short/ });
});

t.test("the addon is loaded once", async (t) => {
  t.equal(loadBinding(), loadBinding());
});
