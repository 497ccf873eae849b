/**
 * A `python3` for tests whose pip needs no network: it takes wheels from a folder, and these hold a fake LibTorch.
 */
import { execFileSync } from "node:child_process";
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
  /** Environment of the last one, a line for each variable. */
  environment(): string;
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

/** Shell, because every Node.js process of a test run carries the runner's hooks with it. */
function program(folder: string, { pip = "25.1", failing = {}, content }: FakePipOptions): string {
  const failures = Object.entries(failing).map(
    ([command, text]) => `[ "$command" = "${command}" ] && { echo "${text}" >&2; exit 1; }\n`,
  );
  const replace = content === undefined ? "" : `printf %s "${content}" > "$dest/$name"`;
  return `#!/bin/sh
PATH=/usr/bin:/bin
cd "${folder}"
shift 2; command=$1; shift
wanted=files
while [ $# -gt 0 ]; do
  case "$1" in
    --dest) dest=$2 ;;
    --target) target=$2 ;;
    -r|--requirement) wanted=$(sed 's/==.*//' "$2") ;;
  esac
  shift
done
[ "$command" = --version ] || { echo "$command $wanted" >> calls; env > environment; }
${failures.join("")}
case "$command" in
  --version) echo "pip ${pip} from a test" ;;
  download) name=$(ls registry | grep "^$wanted-"); cp "registry/$name" "$dest"; ${replace || ":"} ;;
  install) mkdir -p "$target" ;;
esac
`;
}

/** A wheel of folders in `source`, which is a zip archive. */
function writeWheel(file: string, source: string, folders: string[]): string {
  execFileSync("python3", ["-m", "zipfile", "-c", file, ...folders], { cwd: source });
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Writes the fake into `folder` and returns an environment whose path holds nothing else. */
export function fakePython(folder: string, options: FakePipOptions = {}): FakePython {
  for (const name of ["bin", "registry"]) mkdirSync(join(folder, name), { recursive: true });
  const python = join(folder, "bin", "python3");
  writeFileSync(python, program(folder, options));
  chmodSync(python, 0o755);
  const content = join(folder, "content");
  fakeLibtorch(content, { without: options.without ?? [], gpu: true });
  const fileOf = (name: string) => join(folder, "registry", `${name}-1.0-py3-none-any.whl`);
  const parts = { torch: ["torch", "torch-2.11.0.dist-info"], runtime: ["nvidia"] };
  const wheels = Object.entries(parts).map(([name, folders]): Wheel => {
    return { name, version: "1.0", sha256: writeWheel(fileOf(name), content, folders) };
  });
  const log = join(folder, "calls");
  return {
    env: { PATH: join(folder, "bin"), MEDCOSS_CACHE: join(folder, "cache"), TMPDIR: folder },
    wheels,
    files: wheels.map(({ name }) => fileOf(name)),
    environment: () => readFileSync(join(folder, "environment"), "utf8"),
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
  };
}
