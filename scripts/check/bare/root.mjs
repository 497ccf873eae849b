/**
 * A bare machine beside this one: a folder with the files of a few Debian packages and what they depend on, entered
 * through namespaces of its own. No compiler, no Node.js, no home, nothing of the project.
 *
 * Needs Debian or Ubuntu (for its record of which file belongs to which package), `unshare` and `chroot`.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

/** A shell, Python with pip, and what Node.js is linked with. */
const packages = [
  "bash",
  "dash",
  "coreutils",
  "sed",
  "grep",
  "python3",
  "python3-pip",
  "libstdc++6",
  "libatomic1",
];
const compilers = ["cc", "gcc", "g++", "c++", "clang++", "cmake", "make", "ninja", "node-gyp"];

/** Why no bare root can be made here; undefined where one can. */
export function obstacle() {
  if (spawnSync("dpkg-query", ["--version"]).status !== 0) return "this is not Debian or Ubuntu";
  const missing = packages.filter((name) => spawnSync("dpkg-query", ["-s", name]).status !== 0);
  if (missing.length > 0) return `these Debian packages are missing: ${missing.join(", ")}`;
  const entered = spawnSync("unshare", [...namespaces(false), "chroot", "/", "true"]);
  return entered.status === 0 ? undefined : "namespaces cannot be made here";
}

const namespaces = (network = true) => [
  ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]),
  ...(network ? [] : ["--net"]),
  ...["--mount", "--pid", "--fork"],
];

/** The packages and everything they depend on. */
function closure() {
  const format = "$" + "{Package}\t$" + "{Provides}\t$" + "{Pre-Depends}, $" + "{Depends}\n";
  const text = execFileSync("dpkg-query", ["-W", "-f", format], { encoding: "utf8" });
  const needs = new Map();
  /** @type {Map<string, string>} */
  const providers = new Map();
  const names = (/** @type {string} */ list) =>
    list.split(",").map((entry) => entry.split("|").map((name) => name.trim().split(/[ :(]/)[0]));
  for (const line of text.trimEnd().split("\n")) {
    const [name = "", provides = "", depends = ""] = line.split("\t");
    needs.set(name, names(depends));
    providers.set(name, name);
    for (const [virtual = ""] of names(provides)) {
      if (!providers.has(virtual)) providers.set(virtual, name);
    }
  }
  /** @type {Set<string>} */
  const found = new Set();
  const visit = (/** @type {string} */ name) => {
    if (found.has(name)) return;
    found.add(name);
    for (const choices of needs.get(name) ?? []) {
      const chosen = choices.find((/** @type {string} */ choice) => providers.has(choice));
      if (chosen !== undefined) visit(/** @type {string} */ (providers.get(chosen)));
    }
  };
  for (const name of packages) visit(name);
  return [...found];
}

/** @param {string} root */
function copyPackages(root) {
  const list = execFileSync("dpkg-query", ["-L", ...closure()], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  for (const path of new Set(list.split("\n"))) {
    if (!path.startsWith("/") || /^\/usr\/share\/(doc|man|locale|info)\//.test(path)) continue;
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info === undefined) continue;
    const target = join(root, path);
    if (info.isDirectory()) mkdirSync(target, { recursive: true });
    else if (!existsSync(target)) {
      mkdirSync(dirname(target), { recursive: true });
      cpSync(path, target, { verbatimSymlinks: true });
    }
  }
}

/** Makes the root. @param {string} root an empty folder */
export function makeRoot(root) {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  copyPackages(root);
  for (const name of ["dev", "proc", "tmp", "etc/ssl/certs", "home/user", "opt"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  for (const file of ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"]) {
    if (existsSync(file)) cpSync(file, join(root, file), { dereference: true });
  }
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/home/user:/bin/bash\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\n");
  const present = compilers.filter((name) => existsSync(join(root, "usr/bin", name)));
  if (present.length > 0) throw new Error(`The bare root has ${present.join(", ")}`);
}

/** What a machine needs to reach its registries, and nothing else of this one's environment. */
export function networkSettings() {
  const wanted =
    /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_file|pip_(index_url|cert|proxy|timeout|default_timeout)|npm_config_(registry|cafile|https?_proxy))$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => wanted.test(name)));
}

/**
 * Runs a shell command inside; gives its exit code and what it printed.
 *
 * @param {string} root @param {string} command
 * @param {{ env?: Record<string, string | undefined>, cwd?: string, network?: boolean, onLine?: (line: string) => void }} [options]
 * @returns {Promise<{ code: number, text: string }>}
 */
export function runInside(root, command, { env = {}, cwd = "/home/user", network, onLine } = {}) {
  const setUp = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" ';
  const inside = `/bin/bash -c 'cd "$1" && eval "$2"' - "$1" "$2"`;
  const args = [...namespaces(network), "sh", "-c", setUp + inside, root, cwd, command];
  const child = spawn("unshare", args, {
    env: {
      PATH: "/usr/bin:/usr/sbin:/bin:/sbin",
      HOME: "/home/user",
      ...networkSettings(),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      text += `${line}\n`;
      onLine?.(line);
    });
  }
  return new Promise((done, fail) => {
    child.on("error", fail).on("close", (code) => done({ code: code ?? 1, text }));
  });
}
