/** Paths of a buffer's images and volumes, from the names under which the store knows its sources. */
import { access, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { hashName } from "../data/pack/sources.js";
import { readIndex } from "../data/store-index.js";
import { MedcossError } from "../errors.js";
import type { Buffer } from "../replay/buffer-file.js";
import type { RecordSource } from "./sources.js";

const HASHED = /^[0-9a-f]{32}$/;

function refuse(modality: string, problem: string): never {
  throw new MedcossError("E_BUFFER_SOURCES", { modality, problem });
}

/** Names of the sources in the order of the buffer's clusters, each once. Throws E_BUFFER_SOURCES. */
export function sourceNames(
  { modality, samples }: Buffer,
  sources: ReadonlyMap<number, RecordSource>,
): string[] {
  const names = samples.map(({ record }) => {
    const name = sources.get(record)?.source;
    if (name === undefined) refuse(modality, `the store does not name record ${record}`);
    if (HASHED.test(name)) refuse(modality, "the store was packed with --hash-paths");
    return name;
  });
  return [...new Set(names)];
}

/** The name in the store of each folder that is given: the one it was packed under, else the one it is called. */
async function rootFolders(
  store: string,
  modality: string,
  folders: readonly string[],
): Promise<Map<string, string>> {
  const roots = (await readIndex(store)).modalities[modality]?.roots ?? [];
  const found = new Map<string, string>();
  for (const folder of folders) {
    const real = await realpath(folder).catch((cause) => {
      throw new MedcossError("E_SOURCE_MISSING", { path: folder }, { cause });
    });
    const digest = hashName(real);
    const root =
      roots.find((each) => each.digest === digest) ??
      roots.find(({ name }) => name.split("~")[0] === basename(real)) ??
      (roots.length === 1 && folders.length === 1 ? roots[0] : undefined);
    if (!root) refuse(modality, `${folder} is not a folder that it was packed from`);
    found.set(root.name, real);
  }
  return found;
}

/** Absolute paths of existing files. Throws E_BUFFER_SOURCES, E_SOURCE_MISSING. */
export async function pathsBelow(
  store: string,
  modality: string,
  names: readonly string[],
  folders: readonly string[],
): Promise<string[]> {
  const roots = await rootFolders(store, modality, folders);
  const paths: string[] = [];
  for (const name of names) {
    const [root = "", ...rest] = name.split("/");
    const folder = roots.get(root);
    if (folder === undefined) refuse(modality, `give the folder ${root} with --root`);
    const path = join(folder, ...rest);
    await access(path).catch(() => refuse(modality, `${path} does not exist`));
    paths.push(path);
  }
  return paths;
}
