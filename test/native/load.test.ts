import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { binaryFolders, findBinaries } from "../../lib/native/folder.js";
import { loadBinding, loadFrom } from "../../lib/native/load.js";

t.test("a missing addon names every place tried", async (t) => {
  const root = t.testdir({});
  t.throws(() => findBinaries(root, ""), {
    code: "E_ADDON_MISSING",
    message: new RegExp(binaryFolders.join(".*")),
    remedy: /npm run setup/,
  });
});

t.test("the local build comes before the prebuilt one", async (t) => {
  const root = t.testdir({
    both: {
      build: { native: { Release: { "medcoss.node": "" } } },
      prebuilds: { "linux-x64": { "medcoss.node": "" } },
    },
    shipped: { prebuilds: { "linux-x64": { "medcoss.node": "" } } },
  });
  t.equal(findBinaries(join(root, "both"), ""), join(root, "both/build/native/Release"));
  t.equal(findBinaries(join(root, "shipped"), ""), join(root, "shipped/prebuilds/linux-x64"));
});

t.test("a folder that is named is the only one", async (t) => {
  const root = t.testdir({
    build: { native: { Release: { "medcoss.node": "" } } },
    other: { "medcoss.node": "" },
    empty: {},
  });
  t.equal(findBinaries(root, join(root, "other")), join(root, "other"));
  t.throws(() => findBinaries(root, join(root, "empty")), { code: "E_ADDON_MISSING" });
});

t.test("a damaged addon says what the dynamic linker says", async (t) => {
  const folder = t.testdir({});
  for (const name of ["medcoss.node", "medcoss_loader.node"])
    writeFileSync(join(folder, name), "x");
  t.throws(() => loadFrom(folder), { code: "E_ADDON_LOAD", message: /medcoss\.node.*too short/ });
});

t.test("the addon is loaded once", async (t) => {
  t.equal(loadBinding(), loadBinding());
});
