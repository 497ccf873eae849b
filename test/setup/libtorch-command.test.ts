import { existsSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { installFolder } from "../../lib/native/libtorch/find.mjs";
import { runCommandLine as runCommand } from "../helpers/command.js";
import { fakePython } from "../helpers/fake-python.js";
import { fakeLibtorch } from "../helpers/site-packages.js";

t.test("path prints the folder that is used", async (t) => {
  const torch = fakeLibtorch(t.testdir());
  const outcome = await runCommand(["libtorch", "path"], { MEDCOSS_LIBTORCH: torch });
  t.match(outcome, { code: 0, stdout: `${torch}\n`, stderr: "" });
  t.match(await runCommand(["libtorch", "path"], { MEDCOSS_LIBTORCH: "/nowhere" }), {
    code: 1,
    stdout: "",
    stderr: /^E_LIBTORCH_MISSING: [^\n]*\n$/,
  });
});

t.test("install finds what is there; remove takes it away", async (t) => {
  const { env } = fakePython(t.testdir());
  fakeLibtorch(installFolder("cpu", env));
  const torch = join(installFolder("cpu", env), "torch");
  t.match(await runCommand(["libtorch", "install"], env), { code: 0, stdout: `${torch}\n` });
  t.match(await runCommand(["libtorch", "remove"], env), { code: 0, stderr: /removed .*-cpu/ });
  t.notOk(existsSync(torch));
  t.match(await runCommand(["libtorch", "remove"], env), { code: 0, stderr: /nothing to remove/ });
});

t.test("install reports a failure in one line", async (t) => {
  const { env, files } = fakePython(t.testdir());
  const outcome = await runCommand(["libtorch", "install", "--wheel", String(files[0])], env);
  t.match(outcome, { code: 1, stdout: "", stderr: /E_LIBTORCH_INSTALL: .*not one of the pinned/ });
});
