/**
 * `index.json`, the one file that says what a store holds.
 *
 * Invariant: whatever the index names is on disk, complete and flushed, before the index is renamed into place; a file
 * that it does not name is a leftover and counts for nothing.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { MedcossError } from "../errors.js";
import { replaceFile } from "../files.js";

export const STORE_VERSION = 1;

const count = z.int().nonnegative();

const shardSchema = z.strictObject({
  /** File name inside the modality's folder. */
  file: z.string().regex(/^\d{5,}\.safetensors$/),
  records: count,
  bytes: count,
  /** SHA-256 of the whole file, in hexadecimal. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Records put aside for validation: base64 of a bitmap, bit i of byte j for record 8 j + i. Absent: none. */
  validation: z.base64().optional(),
  /** Records whose source has changed since: likewise. */
  retired: z.base64().optional(),
});
export type ShardEntry = z.infer<typeof shardSchema>;

const rootSchema = z.strictObject({
  /** First part of the sources' names. */
  name: z.string(),
  /** Digest of the folder's absolute path. */
  digest: z.string(),
});

const modalitySchema = z.strictObject({
  kind: z.enum(["text", "image2d", "volume3d"]),
  record: z.strictObject({
    dtype: z.enum(["u8", "i16", "f32", "i32"]),
    shape: z.array(z.int().positive()).min(1),
    scale: z.number().optional(),
    offset: z.number().optional(),
  }),
  /** Every parameter that decides a record's values. */
  preprocessing: z.record(z.string(), z.unknown()),
  preprocessingDigest: z.string(),
  roots: z.array(rootSchema),
  shards: z.array(shardSchema),
});
export type ModalityEntry = z.infer<typeof modalitySchema>;

const indexSchema = z.strictObject({
  format: z.literal("medcoss-store"),
  version: z.literal(STORE_VERSION),
  /** File and digest of the tokenizer of the reports. */
  tokenizer: z.strictObject({ file: z.string(), digest: z.string() }).optional(),
  modalities: z.record(z.string(), modalitySchema),
});
export type StoreIndex = z.infer<typeof indexSchema>;

export function emptyIndex(): StoreIndex {
  return { format: "medcoss-store", version: STORE_VERSION, modalities: {} };
}

export function indexPath(store: string): string {
  return join(store, "index.json");
}

function parse(path: string, text: string): StoreIndex {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MedcossError(
      "E_STORE_CORRUPT",
      { path, problem: "index.json is not JSON" },
      { cause },
    );
  }
  const { version: found } = (value ?? {}) as { version?: unknown };
  if (typeof found === "number" && found !== STORE_VERSION) {
    throw new MedcossError("E_STORE_VERSION", { path, found, expected: STORE_VERSION });
  }
  const result = indexSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  const problem = `index.json, ${issue.path.join(".") || "whole"}: ${issue.message}`;
  throw new MedcossError("E_STORE_CORRUPT", { path, problem }, { cause: result.error });
}

/** Throws E_NO_STORE, E_STORE_VERSION or E_STORE_CORRUPT. */
export async function readIndex(store: string): Promise<StoreIndex> {
  let text: string;
  try {
    text = await readFile(indexPath(store), "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new MedcossError("E_NO_STORE", { path: store }, { cause });
    }
    const problem = `index.json cannot be read (${code})`;
    throw new MedcossError("E_STORE_CORRUPT", { path: store, problem }, { cause });
  }
  return parse(store, text);
}

export async function writeIndex(store: string, index: StoreIndex): Promise<void> {
  await replaceFile(indexPath(store), `${JSON.stringify(index, null, 1)}\n`);
}
