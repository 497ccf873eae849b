/**
 * All formats, and the choice among them: by a file's first bytes, else by its name.
 */
import { open } from "node:fs/promises";
import { constants, gunzipSync } from "node:zlib";
import type { InputKind } from "../../batch.js";
import { MedcossError } from "../../errors.js";
import { csv } from "./csv.js";
import { hdf5 } from "./hdf5.js";
import { nifti } from "./nifti.js";
import { raster } from "./raster.js";
import type { Format } from "./types.js";

export const formats: readonly Format[] = [csv, raster, nifti, hdf5];

const HEAD_BYTES = 4096;

const kindNames: Record<InputKind, string> = {
  text: "reports",
  image2d: "images",
  volume3d: "volumes",
};

/** The first bytes of a file's content, unpacked where they are gzip. */
export async function readHead(path: string): Promise<Buffer> {
  try {
    const file = await open(path, "r");
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
      const found = head.subarray(0, bytesRead);
      return found[0] === 0x1f && found[1] === 0x8b ? unpack(found) : found;
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new MedcossError("E_FILE_UNREADABLE", { problem: code ?? message }, { cause });
  }
}

function unpack(head: Buffer): Buffer {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 24 });
  } catch {
    return head;
  }
}

/** The format of a file; undefined where no format claims it. */
export async function detectFormat(path: string): Promise<Format | undefined> {
  const head = await readHead(path);
  if (head.length === 0) throw new MedcossError("E_FILE_CONTENT", { problem: "an empty file" });
  const name = path.toLowerCase();
  return (
    formats.find((format) => format.matches(head)) ??
    formats.find((format) => format.endings.some((ending) => name.endsWith(ending)))
  );
}

/** The format of a file that has to be of one kind; throws E_FILE_UNSUPPORTED. */
export async function formatFor<K extends InputKind>(
  path: string,
  kind: K,
): Promise<Extract<Format, { kind: K }>> {
  const format = await detectFormat(path);
  if (format?.kind === kind) return format as Extract<Format, { kind: K }>;
  const problem = format ? `a ${format.name} file` : "no known format";
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: kindNames[kind], problem });
}
