/**
 * LibTorch on the bare machine: from wheels without a network and without Python, refused in one line where both are
 * wanting, and fetched with pip.
 */
import { cpSync, existsSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../../lib/native/libtorch/find.mjs";

/**
 * @typedef {(command: string, cwd?: string, network?: boolean) => Promise<{ code: number, text: string }>} Run
 * @typedef {(holds: boolean, what: string, text?: string) => boolean} Check
 */

/** Wheels that this machine has fetched before, copied in; their paths inside. @param {string} root */
function bringWheels(root) {
  const wheels = join(cacheFolder(), "wheels");
  if (!existsSync(wheels)) return [];
  cpSync(wheels, join(root, "opt/wheels"), { recursive: true });
  const names = readdirSync(wheels).filter((name) => name.endsWith(".whl"));
  return names.map((name) => `/opt/wheels/${name}`);
}

/** Runs `action` on a machine without python3. @param {string} root @param {() => Promise<void>} action */
async function withoutPython(root, action) {
  const python = join(root, "usr/bin/python3");
  renameSync(python, `${python}.hidden`);
  try {
    await action();
  } finally {
    renameSync(`${python}.hidden`, python);
  }
}

/** @param {Run} run @param {string} root @param {Check} check @param {string[]} wheels */
async function installOffline(run, root, check, wheels) {
  const alone = (/** @type {string} */ command) => run(command, undefined, false);
  await withoutPython(root, async () => {
    const { text } = await alone("npx medcoss doctor");
    check(
      /python3 is missing\. Install it/.test(text),
      "doctor names python3 where it lacks",
      text,
    );
    const installed = await alone(`npx medcoss libtorch install --wheel ${wheels.join(" ")}`);
    const what = "libtorch install from wheels, without a network and Python";
    check(installed.code === 0, what, installed.text);
  });
  await run("npx medcoss libtorch remove");
  const { code, text } = await alone("npx medcoss libtorch install");
  const says = code === 1 && /^E_LIBTORCH_INSTALL: .*is the index reached/m.test(text);
  check(says, "libtorch install without a network and wheels is refused in one line", text);
}

/**
 * Leaves LibTorch installed; where this machine has the wheels, pip fetches the small ones alone.
 * @param {Run} run @param {string} root @param {Check} check
 */
export async function installLibtorch(run, root, check) {
  const before = await run("npx medcoss doctor");
  const says = before.code !== 0 && before.text.includes("medcoss libtorch install");
  check(says, "doctor names what is missing and the remedy", before.text);
  const wheels = bringWheels(root);
  if (wheels.length > 0) await installOffline(run, root, check, wheels);
  const torch = wheels.find((path) => path.includes("/torch-"));
  const given = torch === undefined ? "" : `--wheel ${torch}`;
  const installed = await run(`npx medcoss libtorch install ${given}`);
  check(installed.code === 0, "libtorch install with pip", installed.text);
}
