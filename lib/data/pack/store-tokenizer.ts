/** The tokenizer that a store's reports are packed with; a store has one, and keeps it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ResolvedPack } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { writing } from "../../files.js";
import type { StoreIndex } from "../store-index.js";
import { loadTokenizer } from "../tokenizer.js";

/** Its file in the store. */
export const TOKENIZER = "report/tokenizer.json";

/** The store's tokenizer, or a new one put into it; the path that the decoding processes load. Throws E_CONFIG. */
export async function settleTokenizer(
  store: string,
  config: ResolvedPack,
  index: StoreIndex,
): Promise<string> {
  const path = join(store, TOKENIZER);
  const given = config.tokenizer === undefined ? undefined : await loadTokenizer(config.tokenizer);
  if (index.tokenizer) {
    if (!given || given.digest === index.tokenizer.digest) return path;
    const problem = "differs from the tokenizer of the store; pack into another folder";
    throw new MedcossError("E_CONFIG", { field: "tokenizer", problem });
  }
  const tokenizer = given ?? (await loadTokenizer());
  await writing(path, async () => {
    await mkdir(join(store, "report"), { recursive: true });
    await tokenizer.save(path);
  });
  index.tokenizer = { file: TOKENIZER, digest: tokenizer.digest };
  return path;
}
