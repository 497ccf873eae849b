/**
 * What turns a file's content into records, one for each kind of input. Each stands in a file of its own that is loaded
 * when the first such file comes: a process of images starts without the libraries of tables and volumes.
 */
import type { RecordNote, Task, TaskFile } from "./protocol.js";

export interface Prepared {
  notes: RecordNote[];
  skipped?: Record<string, number>;
  patient?: string;
  annotated?: boolean;
}

/** A file that is none to learn from, though nothing is wrong with it. */
export class SkipFile extends Error {}

export type Emit = (record: ArrayBufferView) => void;

/** `content` is the whole file, where it was read at once. */
export type Packer = (
  file: TaskFile,
  task: Task,
  emit: Emit,
  content: Buffer | undefined,
) => Promise<Prepared>;
