/**
 * Tables beside the files that say on which side of the split each is.
 *
 * Invariant: an entry stands for a path from the folder of its table first, then for one from the folder that was given,
 * then for a bare name.
 */
import { readdir } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { ResolvedPack } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { counted } from "../../format.js";
import { csv } from "../formats/csv.js";
import { withoutEnding } from "./find.js";
import { IMAGE_SUFFIX, type Side, sideOf } from "./split.js";

const IDENTITIES =
  /^(path|file|file_?name|image|image_path|name|id|uid|case|case_id|dicom_id|(patient|subject|study)(_id)?)$/i;

/** What the tables of a folder say. */
interface Entries {
  /** Files with the split's column. */
  tables: string[];
  /** Sides by path from the folder. */
  sides: Map<string, Side>;
}

async function readEntries(
  folder: string,
  column: string,
  options: ResolvedPack,
): Promise<Entries | undefined> {
  const names = (await readdir(folder)).filter((name) =>
    csv.endings.some((end) => name.endsWith(end)),
  );
  const tables: string[] = [];
  const sides = new Map<string, Side>();
  for (const name of names) {
    const table = await csv.decode(join(folder, name), options);
    if (!table.columns.includes(column)) continue;
    tables.push(join(folder, name));
    const keys = table.columns.filter((key) => IDENTITIES.test(key));
    for await (const row of table.rows()) {
      const side = sideOf(row[column] ?? "", column);
      for (const key of keys) {
        const path = row[key]?.replaceAll("\\", "/");
        if (path) sides.set(relative(folder, resolve(folder, path)) || ".", side);
      }
    }
  }
  return tables.length > 0 ? { tables, sides } : undefined;
}

/** The tables that a source's files are looked up in, and how many of these they name. */
export class SplitTable {
  named = 0;
  unnamed = 0;
  #example = "";

  /** `inner` is the given folder's path from that of the tables. */
  private constructor(
    private readonly inner: string,
    private readonly entries: Entries,
  ) {}

  /** The tables with the configured column in a folder or the one above; throws E_CONFIG where there is none. */
  static async find(root: string, column: string, options: ResolvedPack): Promise<SplitTable> {
    const given = resolve(root);
    for (const folder of [given, dirname(given)]) {
      const entries = await readEntries(folder, column, options);
      if (entries) return new SplitTable(relative(folder, given), entries);
    }
    const problem = `no table beside the files of ${root} has the column ${column}`;
    throw new MedcossError("E_CONFIG", { field: "splitColumn", problem });
  }

  /** The side of a file, or of a series by its folder, from its path in the given folder; training where none is named. */
  sideOf(path: string): Side {
    const tried = [join(this.inner, path), path, basename(path)].flatMap((name) => {
      const stem = withoutEnding(name);
      return [name, stem, stem.replace(IMAGE_SUFFIX, "")];
    });
    const found = tried.find((name) => this.entries.sides.has(name));
    if (found === undefined) {
      this.unnamed++;
      this.#example ||= join(this.inner, path);
      return "train";
    }
    this.named++;
    return this.entries.sides.get(found) as Side;
  }

  /** What E_SPLIT says. */
  get mismatch() {
    const [first] = this.entries.sides.keys();
    return {
      tables: this.entries.tables.join(", "),
      named: first ?? "nothing by a column such as path or case",
      file: this.#example,
    };
  }
}

/** Files that no table names; throws E_SPLIT where there are such files only. */
export function countUnnamed(modality: string, tables: readonly SplitTable[]): number {
  const unnamed = tables.reduce((sum, table) => sum + table.unnamed, 0);
  const missed = tables.find((table) => table.unnamed > 0);
  if (missed && tables.every(({ named }) => named === 0)) {
    const files = `${counted(unnamed, "file")} of ${modality}`;
    throw new MedcossError("E_SPLIT", { files, ...missed.mismatch });
  }
  return unnamed;
}
