/** Reads the files of records that decoding processes leave, one file after another, each from front to back. */
import { type FileHandle, open } from "node:fs/promises";

/** Records of many small files are read at once. */
const WINDOW_BYTES = 4 * 2 ** 20;

export class RecordsFile {
  #window = Buffer.alloc(0);
  /** What was read and not taken yet. */
  #left = this.#window;
  #file?: FileHandle;

  async open(path: string): Promise<void> {
    this.#file = await open(path, "r");
  }

  /** The next bytes, good until the next call. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#left.length < length) await this.#fill(length);
    const part = this.#left.subarray(0, length);
    this.#left = this.#left.subarray(length);
    return part;
  }

  /** Forgets the file and what is left of it. */
  async close(): Promise<void> {
    this.#left = this.#window.subarray(0, 0);
    await this.#file?.close();
    this.#file = undefined;
  }

  async #fill(length: number): Promise<void> {
    const before = this.#left;
    if (this.#window.length < length) {
      this.#window = Buffer.allocUnsafeSlow(Math.max(WINDOW_BYTES, length));
    }
    this.#window.set(before);
    let end = before.length;
    while (end < length) {
      const { bytesRead } = await (this.#file as FileHandle).read(this.#window, end);
      if (bytesRead === 0) throw new Error(`${length - end} bytes of records are missing`);
      end += bytesRead;
    }
    this.#left = this.#window.subarray(0, end);
  }
}
