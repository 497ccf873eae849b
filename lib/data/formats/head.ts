/**
 * The first bytes of a file, by which formats know their own.
 */
import { open } from "node:fs/promises";
import { constants, gunzipSync } from "node:zlib";
import { MedcossError } from "../../errors.js";

const HEAD_BYTES = 4096;

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
