/**
 * The encoding of a text file: UTF-8 or UTF-16 by its mark, UTF-8 where most of what is not ASCII is, else Windows-1252,
 * which holds Latin-1.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { MedcossError } from "../../errors.js";

const CHUNK = 2 ** 18;
const HEAD_BYTES = 2 ** 16;

async function readStart(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function isUtf8(path: string): Promise<boolean> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
      decoder.decode(chunk as Buffer, { stream: true });
    }
    decoder.decode();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall) throw error;
    return false;
  }
}

/** Whether more letters beyond ASCII are UTF-8 than are not: a few damaged bytes do not spoil the others. */
async function isMostlyUtf8(path: string): Promise<boolean> {
  let [letters, damaged] = [0, 0];
  for await (const part of readText(path, "utf-8")) {
    letters += part.match(/[^\p{ASCII}\uFFFD]/gu)?.length ?? 0;
    damaged += part.match(/\uFFFD/gu)?.length ?? 0;
  }
  return letters > damaged;
}

/** A name that TextDecoder knows; throws E_FILE_FORMAT for what is no text. */
export async function encodingOf(path: string, format: string): Promise<string> {
  const head = await readStart(path);
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be";
  if (head.includes(0))
    throw new MedcossError("E_FILE_FORMAT", { format, problem: "it is not text" });
  const isText = (await isUtf8(path)) || (await isMostlyUtf8(path));
  return isText ? "utf-8" : "windows-1252";
}

/** The text in parts, without a byte order mark. */
export async function* readText(path: string, encoding: string): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    yield decoder.decode(chunk as Buffer, { stream: true });
  }
  yield decoder.decode();
}
