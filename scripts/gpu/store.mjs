/**
 * The demo's corpora, fewer of them, packed here: the machine with the GPU is to train, not to paint.
 *
 * Invariant: made again only when the code that paints or packs changed.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../setup/digest.mjs";
import { compress } from "./modules.mjs";

const sizes = { report: 96, xray: 48, ct: 1, mri: 1, pathology: 24 };

/** @param {string} root @param {string} kept folder of what is used again @returns {Promise<string>} the archive */
export async function packStore(root, kept) {
  const digest = digestOf(root, ["lib/demo", "lib/data"], [JSON.stringify(sizes)]);
  const archive = join(kept, `store-${digest.slice(0, 16)}.tar.xz`);
  if (existsSync(archive)) return archive;
  const { writeCorpora } = await import(join(root, "dist/demo/corpora.js"));
  const { pack } = await import(join(root, "dist/data/pack/index.js"));
  const [corpora, store] = [join(kept, "corpora"), join(kept, "store")];
  for (const folder of [corpora, store]) rmSync(folder, { recursive: true, force: true });
  const paths = await writeCorpora(corpora, { seed: 0, sizes });
  const sources = Object.entries(paths).map(([name, path]) => ({
    modality: name,
    recipe: name,
    path,
  }));
  await pack({ out: store, sources });
  compress(store, `${archive}.tmp`);
  renameSync(`${archive}.tmp`, archive);
  for (const folder of [corpora, store]) rmSync(folder, { recursive: true });
  return archive;
}
