/**
 * Checks of the machine: Node.js, platform, processor, memory, disk.
 */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { cpus, freemem, totalmem } from "node:os";
import { dirname } from "node:path";
import { physicalCores } from "../config/threads.js";
import { formatBytes } from "../format.js";
import { cacheFolder, isWritable } from "../native/libtorch/find.mjs";
import type { Check } from "./types.js";

const OLDEST_NODE = [20, 17] as const;
const OLDEST_GLIBC = [2, 34] as const;
/** Less than this, and the smallest model does not train. */
const LEAST_MEMORY = 2 * 2 ** 30;
const LEAST_DISK = 2 * 2 ** 30;

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

export function checkNode(version = process.versions.node): Check {
  const name = "Node.js";
  if (atLeast(version, OLDEST_NODE)) return { name, state: "ok", found: version };
  const remedy = `Install Node.js ${OLDEST_NODE.join(".")} or newer.`;
  return { name, state: "problem", found: version, remedy };
}

/** Version of the C library that this Node.js runs on; undefined for another one than glibc. */
function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

export function checkPlatform(
  platform: string = process.platform,
  architecture: string = process.arch,
  glibc: string | undefined = glibcVersion(),
): Check {
  const name = "platform";
  const found = `${platform} ${architecture}${glibc ? `, glibc ${glibc}` : ""}`;
  const supported = "Supported: Linux on x64 with glibc 2.34 or newer";
  if (platform !== "linux") {
    const remedy = `${supported}. Here use a container, see docs/clusters.md.`;
    return { name, state: "problem", found, remedy };
  }
  if (glibc === undefined || !atLeast(glibc, OLDEST_GLIBC)) {
    const remedy = `${supported} (RHEL 9, Ubuntu 22.04). Here use a container, see docs/clusters.md.`;
    return { name, state: "problem", found, remedy };
  }
  if (architecture !== "x64") {
    const remedy = `${supported}. Elsewhere build from source, see docs/native-build.md.`;
    return { name, state: "problem", found, remedy };
  }
  return { name, state: "ok", found };
}

export function checkProcessor(): Check {
  const model = cpus()[0]?.model ?? "unknown processor";
  return { name: "processor", state: "ok", found: `${model}, ${physicalCores()} cores` };
}

export function checkThreads(env: NodeJS.ProcessEnv = process.env): Check {
  const name = "threads";
  const cores = physicalCores();
  const limit = env.OMP_NUM_THREADS;
  const found = `${cores} by default`;
  if (limit === undefined || limit === "") return { name, state: "ok", found };
  const note = `${found}; OMP_NUM_THREADS=${limit} is overridden by --threads`;
  return { name, state: "note", found: note };
}

export function checkMemory(total = totalmem(), free = freemem()): Check {
  const name = "memory";
  const found = `${formatBytes(free)} free of ${formatBytes(total)}`;
  if (free >= LEAST_MEMORY) return { name, state: "ok", found };
  return { name, state: "problem", found, remedy: "Close other programs; 2 GiB should be free." };
}

/** The nearest folder at or above a path that exists. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

async function checkFree(name: string, path: string, least = LEAST_DISK): Promise<Check> {
  const { bavail, bsize } = await statfs(existing(path));
  const found = `${formatBytes(bavail * bsize)} free at ${path}`;
  if (bavail * bsize >= least) return { name, state: "ok", found };
  return { name, state: "problem", found, remedy: `Free at least ${formatBytes(least)} there.` };
}

/** The cache folder, which is written to by the installation of LibTorch (`libtorch`: it is there) and by nothing else. */
export async function checkCache(
  libtorch: boolean,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Check> {
  const name = "disk, cache";
  const path = cacheFolder(env);
  if (isWritable(existing(path))) return checkFree(name, path);
  const found = `${path} cannot be written to`;
  if (libtorch) return { name, state: "note", found: `${found}; LibTorch is there already` };
  const remedy =
    "Name another folder, for this and later commands: export MEDCOSS_CACHE=/path/of/a/folder";
  return { name, state: "problem", found, remedy };
}

/** The current folder. */
export async function checkHere(path = process.cwd(), least?: number): Promise<Check> {
  const name = "disk, here";
  if (isWritable(path)) return checkFree(name, path, least);
  return { name, state: "note", found: `${path} cannot be written to; name another with --out` };
}

/** Shared memory, which containers limit; medcoss shares memory within one process only, so little is no problem. */
export async function checkSharedMemory(folder = "/dev/shm"): Promise<Check> {
  const name = "shared memory";
  if (!existsSync(folder)) return { name, state: "note", found: `there is no ${folder}` };
  const { bavail, bsize } = await statfs(folder);
  return { name, state: "ok", found: `${formatBytes(bavail * bsize)} free at ${folder}` };
}
