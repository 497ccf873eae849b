/**
 * A file written from front to back, many small parts at a time: handing a part to the system takes longer than packing a
 * small image.
 */
import { type FileHandle, open } from "node:fs/promises";

const GATHERED_BYTES = 2 ** 20;

export class GatheredFile {
  readonly #path: string;
  readonly #gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES);
  #held = 0;
  #position: number;
  #file?: FileHandle;

  /** The file is made at the first append; its first bytes may be left free, to be written in the end. */
  constructor(path: string, first = 0) {
    this.#path = path;
    this.#position = first;
  }

  /** Where the next part goes. */
  get length(): number {
    return this.#position + this.#held;
  }

  /** `part` is free again when the promise settles. */
  async append(part: Uint8Array): Promise<void> {
    this.#file ??= await open(this.#path, "w");
    if (this.#held + part.length > GATHERED_BYTES) await this.#writeHeld();
    if (part.length > GATHERED_BYTES) return this.#write(part);
    this.#gathered.set(part, this.#held);
    this.#held += part.length;
  }

  /** Writes everything, then `head` at the front, and sees to it that a crash of the machine takes nothing away. */
  async finish(head: Uint8Array = Buffer.alloc(0)): Promise<void> {
    await this.#writeHeld();
    await this.#file?.write(head, 0, head.length, 0);
    await this.#file?.sync();
    await this.close();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #writeHeld(): Promise<void> {
    const part = this.#gathered.subarray(0, this.#held);
    this.#held = 0;
    await this.#write(part);
  }

  async #write(part: Uint8Array): Promise<void> {
    for (let done = 0; done < part.length; ) {
      const rest = [done, part.length - done, this.#position] as const;
      const { bytesWritten } = await (this.#file as FileHandle).write(part, ...rest);
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }
}
