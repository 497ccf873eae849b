/** The part of `medcoss inspect` that is about replay buffers. */
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { BUFFER_FILE, readBuffer } from "../replay/buffer-file.js";
import { type BufferDescription, describeBuffer } from "../replay/describe.js";
import { counted, formatBytes } from "./common.js";

const HEAD_BYTES = 64;

/** Whether a file begins as a buffer does. */
async function looksLikeBuffer(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.toString("latin1", 0, bytesRead).includes('"medcoss-buffer"');
  } finally {
    await file.close();
  }
}

/** Describes a `.json` file that is a buffer, or is named as one; undefined for any other. */
export async function describeIfBuffer(path: string): Promise<BufferDescription | undefined> {
  if (!path.endsWith(".json") || !(await stat(path)).isFile()) return undefined;
  const named = basename(path) === BUFFER_FILE;
  if (!named && !(await looksLikeBuffer(path))) return undefined;
  return describeBuffer(path, await readBuffer(path));
}

function choice({ method, clusters, usedClusters, perCluster }: BufferDescription): string {
  if (method !== "kmeans") return `by ${method}`;
  const empty = clusters > usedClusters ? `, ${clusters - usedClusters} without samples` : "";
  return `by kmeans around ${counted(clusters, "centre")}${empty}, at most ${perCluster} each`;
}

/** Prints a description for people. */
export function printBuffer(found: BufferDescription): void {
  const { samples, from, modality, bytes, stage, seed, checkpoint } = found;
  const share = ((100 * samples) / from).toPrecision(2);
  const lines = [
    `Buffer      ${found.path}`,
    `Holds       ${samples} of ${counted(from, "sample")} of ${modality} (${share} %), ${formatBytes(bytes)} of records`,
    `Chosen      ${choice(found)}`,
    `Distance    ${found.meanDistance.toPrecision(4)} to the centre on average, width ${found.width}`,
    `From        stage ${stage}, seed ${seed}, model ${checkpoint.slice(0, 12)}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
