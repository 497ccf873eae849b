/**
 * A `python3` for tests whose pip needs no network: it takes wheels from a folder and "installs" a fake LibTorch.
 */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Wheel } from "../../lib/native/libtorch/pins.mjs";
import { fakeLibtorch } from "./site-packages.js";

export interface FakePython {
  env: NodeJS.ProcessEnv;
  /** The wheels that the registry holds. */
  wheels: Wheel[];
  /** Their files. */
  files: string[];
  /** Calls of pip so far: the subcommand and what it was for. */
  calls(): string[];
}

export interface FakePipOptions {
  pip?: string;
  /** What pip says in place of doing what it is asked for, by subcommand. */
  failing?: Partial<Record<"download" | "install" | "--version", string>>;
  /** What pip puts in place of a wheel's content. */
  content?: string;
  /** Leaves LibTorch incomplete. */
  without?: string[];
}

const program = (folder: string, { pip = "25.1", failing = {}, content }: FakePipOptions) => `
const fs = require("node:fs"), path = require("node:path");
// As in: python3 -m pip COMMAND ...
const [command, ...args] = process.argv.slice(4);
const folder = ${JSON.stringify(folder)};
const failing = ${JSON.stringify(failing)};
const option = (name) => args[args.indexOf(name) + 1];
const list = args.includes("--requirement") ? "--requirement" : "-r";
const wanted = args.includes(list) ? fs.readFileSync(option(list), "utf8").split("==")[0] : "files";
if (command !== "--version") fs.appendFileSync(path.join(folder, "calls"), command + " " + wanted + "\\n");
if (failing[command] !== undefined) { console.error(failing[command]); process.exit(1); }
if (command === "--version") console.log("pip ${pip} from a test");
if (command === "download") {
  const name = fs.readdirSync(path.join(folder, "registry")).find((file) => file.startsWith(wanted + "-"));
  const target = path.join(option("--dest"), name);
  fs.copyFileSync(path.join(folder, "registry", name), target);
  const content = ${JSON.stringify(content ?? null)};
  if (content !== null) fs.writeFileSync(target, content);
}
if (command === "install") {
  fs.mkdirSync(option("--target"), { recursive: true });
  fs.cpSync(path.join(folder, wanted === "pip" ? "registry" : "installed"), option("--target"), { recursive: true });
}
`;

/** Writes the fake into `folder` and returns an environment whose path holds nothing else. */
export function fakePython(folder: string, options: FakePipOptions = {}): FakePython {
  for (const name of ["bin", "registry"]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, "bin", "package.json"), '{ "type": "commonjs" }');
  const python = join(folder, "bin", "python3");
  writeFileSync(python, `#!${process.execPath}\n${program(folder, options)}`);
  chmodSync(python, 0o755);
  fakeLibtorch(join(folder, "installed"), { without: options.without ?? [], gpu: true });
  const wheels = ["torch", "runtime"].map((name): Wheel => {
    const content = `wheel of ${name}`;
    writeFileSync(join(folder, "registry", `${name}-1.0-py3-none-any.whl`), content);
    return { name, version: "1.0", sha256: createHash("sha256").update(content).digest("hex") };
  });
  const log = join(folder, "calls");
  return {
    env: { PATH: join(folder, "bin"), MEDCOSS_CACHE: join(folder, "cache"), TMPDIR: folder },
    wheels,
    files: wheels.map(({ name }) => join(folder, "registry", `${name}-1.0-py3-none-any.whl`)),
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
  };
}
