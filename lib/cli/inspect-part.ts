/** The part of `medcoss inspect` that is about single files of a run: what they are, and what describes the whole. */
import { access } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

interface Part {
  what: string;
  /** A file that stands beside it in a run. */
  beside: string;
}

const parts: Record<string, Part | undefined> = {
  "config.json": { what: "the configuration of a run", beside: "environment.json" },
  "environment.json": { what: "versions and device of a run", beside: "config.json" },
  "metrics.jsonl": { what: "the metrics of a run, a row per logged step", beside: "config.json" },
  "summary.json": { what: "the summary of a finished stage", beside: "checkpoint" },
  "state.json": { what: "the state of a checkpoint", beside: "model.safetensors" },
};

/** A file that belongs to a run. */
export interface PartDescription {
  kind: "part";
  path: string;
  what: string;
  /** The folder whose description tells more. */
  folder: string;
}

/** Describes a file of a run that is neither weights nor a buffer; undefined for any other. */
export async function describeIfPart(path: string): Promise<PartDescription | undefined> {
  const part = parts[basename(path)];
  if (!part) return undefined;
  const folder = dirname(path);
  return access(join(folder, part.beside)).then(
    () => ({ kind: "part", path, what: part.what, folder }),
    () => undefined,
  );
}

/** Prints a description for people. */
export function printPart({ path, what, folder }: PartDescription): void {
  process.stdout.write(
    `File        ${path}\nIs          ${what}; see: medcoss inspect ${folder}\n`,
  );
}
