/**
 * The number of the file that a decoding process is at: bytes of an unnamed file that both processes have open. A message
 * for each file would take as long as a small image.
 */
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The file's number among what a decoding process has open; those before it are its streams and messages. */
export const PLACE_DESCRIPTOR = 4;
const NOWHERE = -1;

const bytes = Buffer.alloc(4);

function write(descriptor: number, at: number): void {
  bytes.writeInt32LE(at);
  writeSync(descriptor, bytes, 0, bytes.length, 0);
}

/** In a decoding process: says which file it begins. */
export function beginFile(at: number): void {
  write(PLACE_DESCRIPTOR, at);
}

/** The packing process's end. */
export class Place {
  readonly descriptor: number;

  constructor() {
    const path = join(tmpdir(), `medcoss-${randomUUID()}`);
    this.descriptor = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    this.reset();
  }

  reset(): void {
    write(this.descriptor, NOWHERE);
  }

  /** Undefined where no file was begun since the last reset. */
  get file(): number | undefined {
    readSync(this.descriptor, bytes, 0, bytes.length, 0);
    const at = bytes.readInt32LE();
    return at === NOWHERE ? undefined : at;
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
