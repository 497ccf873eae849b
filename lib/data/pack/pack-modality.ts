/**
 * Packs the sources of one modality: tasks go to the decoding processes, their records into shards in the order of the
 * files, whatever finishes first; so the store does not depend on the number of processes.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Recipe, ResolvedPack } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { ModalityEntry } from "../store-index.js";
import { keyedName } from "./case-key.js";
import type { InputFile, Inputs } from "./inputs.js";
import type { ModalityWriter } from "./modality-writer.js";
import type { DecoderPool } from "./pool.js";
import type { FileResult, Settings, Task } from "./protocol.js";
import { RecordsFile } from "./records-file.js";
import type { Tally } from "./report.js";
import type { Known } from "./sources.js";

/** Files of one task: many small ones together, so that the processes are not kept waiting for messages. */
const LEAST_PER_TASK = 16;
const MOST_PER_TASK = 64;
/** With fewer tasks some processes would wait for others in the end. */
const TASKS_PER_WORKER = 4;
const TASK_BYTES = 2 ** 21;
/** Tables over this size are shared among processes. */
const TABLE_PART_BYTES = 2 ** 20;
const TABLE_PARTS = 16;

export interface ModalityJob {
  modality: string;
  recipe: Recipe;
  config: ResolvedPack;
  settings: Settings;
  entry: ModalityEntry;
  inputs: Inputs;
  known: Known;
  writer: ModalityWriter;
  pool: DecoderPool;
  workers: number;
  /** Folder for records on their way. */
  work: string;
  tally: Tally;
  signal?: AbortSignal;
  /** Key for names of patients. */
  secret(): Promise<string>;
  onProgress(): void;
  /** Writes the index; called between sources. */
  commit(): Promise<void>;
}

interface PlannedTask {
  files: InputFile[];
  rows?: Task["rows"];
}

/** In their order, until a task has enough to do. */
function planImages(files: readonly InputFile[], workers: number): PlannedTask[] {
  const share = Math.ceil(files.length / (TASKS_PER_WORKER * workers));
  const most = Math.max(LEAST_PER_TASK, Math.min(MOST_PER_TASK, share));
  const tasks: PlannedTask[] = [];
  let bytes = 0;
  for (const file of files) {
    const last = tasks.at(-1)?.files;
    const room = last && last.length < (bytes < TASK_BYTES ? most : LEAST_PER_TASK);
    bytes = room ? bytes + file.size : file.size;
    if (room) last.push(file);
    else tasks.push({ files: [file] });
  }
  return tasks;
}

function plan(recipe: Recipe, files: readonly InputFile[], workers: number): PlannedTask[] {
  if (recipe === "report" && !files.every(({ path }) => /\.txt$/i.test(path))) {
    return files.flatMap((file) => {
      const of = Math.min(TABLE_PARTS, Math.max(1, Math.ceil(file.size / TABLE_PART_BYTES)));
      return Array.from({ length: of }, (_, part) => ({ files: [file], rows: { part, of } }));
    });
  }
  if (recipe === "ct" || recipe === "mri") return files.map((file) => ({ files: [file] }));
  return planImages(files, workers);
}

/** Time allowed for one file of a task. */
function secondsFor({ recipe, config }: ModalityJob, task: PlannedTask): number {
  const { seconds } = config.limits;
  if (recipe !== "report") return seconds;
  const megabytes = task.files.reduce((sum, { size }) => sum + size, 0) / 2 ** 20;
  return seconds * Math.max(1, megabytes);
}

/** Turns away files over the size limit before anything is read. */
function checkSizes(job: ModalityJob): InputFile[] {
  const { fileBytes } = job.config.limits;
  return job.inputs.files.filter((file) => {
    if (file.size <= fileBytes) return true;
    const { code, message } = new MedcossError("E_FILE_TOO_LARGE", {
      claimed: `${file.size} bytes`,
      limit: `${fileBytes} bytes`,
    });
    job.tally.reject({ path: file.source, code, reason: message });
    return false;
  });
}

interface Finished {
  task: PlannedTask;
  output: string;
  results: FileResult[];
}

function start(job: ModalityJob, task: PlannedTask, number: number): Promise<Finished> {
  const output = join(job.work, `${job.modality}-${number}.bin`);
  const { recipe, settings, known } = job;
  const files = task.files.map(({ path, source, slices }) => ({
    path,
    slices,
    known: known.sources.get(source)?.digest,
  }));
  const request: Task = { recipe, files, rows: task.rows, output, settings };
  const finished = job.pool
    .run(request, secondsFor(job, task))
    .then((results) => ({ task, output, results }));
  finished.catch(() => undefined);
  return finished;
}

async function append(
  job: ModalityJob,
  file: InputFile,
  result: FileResult & { status: "packed" },
  records: RecordsFile,
): Promise<void> {
  const { digest, records: notes, skipped = {}, patient, annotated } = result;
  if (annotated) job.tally.annotated++;
  const before = job.known.sources.get(file.source);
  if (before && before.digest !== digest) {
    job.writer.retire(before.runs);
    job.known.sources.delete(file.source);
  }
  for (const [reason, count] of Object.entries(skipped)) job.tally.skip(reason, count);
  if (notes.length === 0) return;
  const { source, size, side } = file;
  const byPath = patient === undefined || job.config.casePattern !== undefined;
  const name = byPath ? file.case : keyedName(await job.secret(), patient);
  const named = side === "test" ? undefined : side;
  await job.writer.append({ source, size, digest, case: name, side: named }, notes, records);
}

/** Takes over a task's results in order. */
async function collect(
  job: ModalityJob,
  { task, output, results }: Finished,
  records: RecordsFile,
): Promise<void> {
  const any = results.some((result) => result.status === "packed" && result.records.length > 0);
  try {
    if (any) await records.open(output);
    for (const [i, result] of results.entries()) {
      const file = task.files[i] as InputFile;
      const last = !task.rows || task.rows.part === task.rows.of - 1;
      if (result.status === "packed") {
        await append(job, file, result, records);
      } else if (result.status === "rejected") {
        job.tally.reject({ path: file.source, code: result.code, reason: result.reason });
      } else if (result.status === "skipped") job.tally.skip(result.reason);
      else if (last) job.tally.unchanged++;
      if (last) job.tally.done++;
    }
  } finally {
    await records.close();
    await rm(output, { force: true });
  }
}

/** Whether the next task begins a new source. */
function endsSource(task: PlannedTask): boolean {
  return !task.rows || task.rows.part === task.rows.of - 1;
}

/** Packs everything; stops after the running task when the signal asks for it. */
export async function packModality(job: ModalityJob): Promise<void> {
  const tasks = plan(job.recipe, checkSizes(job), job.workers);
  const ahead = 2 * job.workers + 2;
  const running: Promise<Finished>[] = [];
  const records = new RecordsFile();
  let next = 0;
  for (let i = 0; i < tasks.length; i++) {
    while (next < tasks.length && running.length < ahead) {
      running.push(start(job, tasks[next] as PlannedTask, next));
      next++;
    }
    const finished = await (running.shift() as Promise<Finished>);
    await collect(job, finished, records);
    job.onProgress();
    if (!endsSource(finished.task)) continue;
    if (job.writer.due) await job.commit();
    if (job.signal?.aborted) break;
  }
  await job.writer.finish();
}
