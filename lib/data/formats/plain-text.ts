/**
 * A text file that is one report.
 */
import { stat } from "node:fs/promises";
import { MedcossError } from "../../errors.js";
import { encodingOf, readText } from "./text-encoding.js";
import { checkLimit, type DecodeOptions, decoding, type Table, type TableFormat } from "./types.js";

const NAME = "text";

async function decode(path: string, { limits }: DecodeOptions): Promise<Table> {
  checkLimit((await stat(path)).size, limits.rowBytes, "bytes");
  const encoding = await encodingOf(path, NAME);
  let text = "";
  for await (const part of readText(path, encoding)) text += part;
  if (text.trim() === "")
    throw new MedcossError("E_FILE_CONTENT", { problem: "a table without rows" });
  async function* rows() {
    yield { text };
  }
  return { kind: "text", columns: ["text"], whole: true, rows };
}

export const plainText: TableFormat = {
  name: NAME,
  kind: "text",
  endings: [".txt"],
  matches: () => false,
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
