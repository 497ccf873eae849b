/**
 * Opens a store. Only the index and file sizes are read; records come by position when they are asked for, so neither
 * time nor memory grows with the number of records (but for one or two bits each).
 */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MedcossError } from "../errors.js";
import { OpenedStore } from "./opened-store.js";
import { readIndex, type StoreIndex } from "./store-index.js";
import type { Store } from "./store-types.js";

export type { ModalityInfo, Part, Store } from "./store-types.js";

async function checkFiles(path: string, index: StoreIndex): Promise<void> {
  for (const [modality, { shards }] of Object.entries(index.modalities)) {
    for (const { file, bytes, records, validation, retired } of shards) {
      const name = `${modality}/${file}`;
      const found = await stat(join(path, name)).catch(() => undefined);
      const problem = found
        ? `${name} has ${found.size} bytes and should have ${bytes}`
        : `${name} is missing`;
      if (found?.size !== bytes) throw new MedcossError("E_STORE_CORRUPT", { path, problem });
      for (const bits of [validation, retired]) {
        if (bits === undefined || Buffer.from(bits, "base64").length === Math.ceil(records / 8))
          continue;
        const wrong = `a bitmap of ${name} is not of its length`;
        throw new MedcossError("E_STORE_CORRUPT", { path, problem: wrong });
      }
    }
  }
}

/** Opens the store at `path`; throws E_NO_STORE, E_STORE_VERSION or E_STORE_CORRUPT. */
export async function openStore(path: string): Promise<Store> {
  const absolute = resolve(path);
  const index = await readIndex(absolute);
  await checkFiles(absolute, index);
  return new OpenedStore(absolute, index, "waiting");
}
