/** Output files of long work: what stands in the way is found before it begins. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MedcossError } from "../errors.js";
import { writing } from "../files.js";

/** Makes the folder of `path`; throws E_WRITE where it cannot be, or where `path` itself is a folder. */
export async function prepareOutput(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await writing(path, () => mkdir(dirname(path), { recursive: true }));
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new MedcossError("E_WRITE", { path, problem: "it is a folder" });
}
