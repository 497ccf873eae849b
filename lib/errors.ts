/**
 * The registry of errors: every code that medcoss can raise, with its text, its remedy and its exit code.
 *
 * Invariant: codes are raised nowhere but through this file; docs/errors.md lists the same codes (tested).
 */

/** Exit codes of the command line. */
export const ExitCode = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

interface Entry {
  /** One line; `{name}` is replaced by the value of that name. */
  message: string;
  /** What the user can do about it. */
  remedy: string;
  exit: number;
}

export const registry = {
  // Use and configuration
  E_CONFIG: {
    message: "{field}: {problem}",
    remedy: "Run the command with --help, or see docs/configuration.md for every field.",
    exit: 2,
  },
  E_UNKNOWN_OPTION: {
    message: "Unknown {what} {name}{suggestion}",
    remedy: "Run with --help for all of them.",
    exit: 2,
  },
  E_BATCH_TOO_LARGE: {
    message: "A batch of {batch} is more than the training samples of {stages}",
    remedy: "Add --batch-size {most}, or a smaller one.",
    exit: 2,
  },
  E_NOT_ENOUGH_MEMORY: {
    message:
      "The run needs about {needed} of memory and {available} is free; {together} of {batch} samples fit together",
    remedy:
      "Add --accumulate, which computes a batch in parts, lower --batch-size, or choose a smaller --model.",
    exit: 2,
  },
  E_NOT_ENOUGH_DISK: {
    message: "The run needs about {needed} on disk and {available} is free at {path}",
    remedy: "Free space, or choose another --out.",
    exit: 2,
  },
  E_NO_TEACHER: {
    message: "A replay step needs a teacher and this trainer has none",
    remedy: "Set `teacher` in the trainer's configuration.",
    exit: 2,
  },
  // Environment
  E_LIBTORCH_MISSING: {
    message: "LibTorch {version} was not found. Tried: {tried}",
    remedy: "{start}: npx medcoss libtorch install",
    exit: 1,
  },
  E_LIBTORCH_VERSION: {
    message: "LibTorch {found} at {path} does not fit; expected {version}",
    remedy: "{start}: npx medcoss libtorch install",
    exit: 1,
  },
  E_LIBTORCH_INSTALL: {
    message: "LibTorch could not be installed: {problem}",
    remedy:
      "Mend that and run it again; finished parts are kept. Without a network: docs/native-build.md, --wheel.",
    exit: 1,
  },
  E_ADDON_MISSING: {
    message: "The native addon was not found. Tried: {tried}",
    remedy: "Run: npm install medcoss; in a checkout: npm run setup",
    exit: 1,
  },
  E_ADDON_LOAD: {
    message: "The native addon at {path} could not be loaded: {problem}",
    remedy: "Run: npx medcoss doctor",
    exit: 1,
  },
  E_TOOL_MISSING: { message: "{tool} is missing", remedy: "{install}", exit: 1 },
  E_SETUP: {
    message: "The set-up failed: {problem}",
    remedy: "Read what it printed, and build/logs.",
    exit: 1,
  },
  E_NO_CUDA: {
    message: "Device {device} cannot be used: {problem}",
    remedy: "Use --device cpu, or run: npx medcoss doctor",
    exit: 1,
  },
  E_CUDA: {
    message: "CUDA reported an error: {problem}",
    remedy: "Run it again in a new process (--resume); see docs/troubleshooting.md",
    exit: 1,
  },
  // Data
  E_NO_STORE: {
    message: "No store at {path}",
    remedy: "Make one with: npx medcoss pack --out {path} ...",
    exit: 1,
  },
  E_STORE_VERSION: {
    message: "The store at {path} has version {found}; expected {expected}",
    remedy: "Pack the data again with this release.",
    exit: 1,
  },
  E_STORE_CORRUPT: {
    message: "The store at {path} is damaged: {problem}",
    remedy: "Pack the data again.",
    exit: 1,
  },
  E_NO_MODALITY: {
    message: "The store at {path} has no {modality}",
    remedy: "It has: {present}. Name one of these, or pack it{otherwise}.",
    exit: 1,
  },
  E_NO_DATA: {
    message: "No usable data in {inputs}: {problem}",
    remedy: "See docs/your-data.md for what is read.",
    exit: 1,
  },
  E_SOURCE_MISSING: {
    message: "The source {path} does not exist",
    remedy: "Check the path.",
    exit: 2,
  },
  E_SPLIT: {
    message: "Of {files}, {tables} names none: it names {named}, and a file there is {file}",
    remedy:
      "Name files by their path from the table's folder (docs/your-data.md), or leave out --split-column.",
    exit: 2,
  },
  E_TOKENIZER: {
    message: "The tokenizer {path} cannot be used: {problem}",
    remedy: "Give a tokenizer.json or vocab.txt of WordPiece.",
    exit: 1,
  },
  E_TOKENIZER_MISMATCH: {
    message: "The store's tokenizer differs from the checkpoint's ({store} and {checkpoint})",
    remedy: "Pack the reports with the checkpoint's tokenizer.",
    exit: 1,
  },
  // Input files; these end in rejected.jsonl and cost one file
  E_FILE_UNREADABLE: {
    message: "The file cannot be read: {problem}",
    remedy: "Check that it exists and may be read.",
    exit: 1,
  },
  E_FILE_FORMAT: {
    message: "Not a {format} file that can be decoded: {problem}",
    remedy: "Export the file again.",
    exit: 1,
  },
  E_FILE_UNSUPPORTED: {
    message: "Files of this kind are not read for {kind}: {problem}",
    remedy: "See docs/your-data.md for the formats.",
    exit: 1,
  },
  E_FILE_TOO_LARGE: {
    message: "The file claims {claimed}, over the limit of {limit}",
    remedy: "Split it, or raise the limit in the configuration.",
    exit: 1,
  },
  E_FILE_MEMORY: {
    message: "Decoding the file took over {limit} of memory",
    remedy: "Split it, or raise limits.memoryBytes.",
    exit: 1,
  },
  E_FILE_TIME: {
    message: "Decoding the file took over {limit} s",
    remedy: "Split it, or raise limits.seconds.",
    exit: 1,
  },
  E_FILE_CONTENT: {
    message: "Nothing to learn from: {problem}",
    remedy: "Leave the file out.",
    exit: 1,
  },
  E_FILES_REJECTED: {
    message: "{rejected}",
    remedy: "See {path}; without --strict they are left out.",
    exit: 1,
  },
  E_TABLE_COLUMN: {
    message: "The table has no column {column}; it has {present}",
    remedy: "Name the column, for example --set columns.text=NAME.",
    exit: 1,
  },
  // Checkpoints and runs
  E_NO_CHECKPOINT: {
    message: "No checkpoint at {path}",
    remedy: "Name a run, a folder that holds model.safetensors, or that file.",
    exit: 1,
  },
  E_PYTORCH_FILE: {
    message: "{path} is a PyTorch file, and a checkpoint in our form is needed here",
    remedy: "Convert it first: npx medcoss convert {path} model.safetensors",
    exit: 1,
  },
  E_CHECKPOINT_CORRUPT: {
    message: "{path} cannot be read as a checkpoint: {problem}",
    remedy: "If it is damaged, use the one before it or another copy.",
    exit: 1,
  },
  E_CHECKPOINT_SHAPE: {
    message: "The checkpoint {path} is of another model: {problem}",
    remedy: "Give the --model it was made with.",
    exit: 1,
  },
  E_OUTPUT_EXISTS: {
    message: "{path} is there already",
    remedy: "Choose another name, or replace it with --force.",
    exit: 2,
  },
  E_RUN_EXISTS: {
    message: "The folder {path} {problem}",
    remedy: "Choose another --out; --resume goes on with a run.",
    exit: 2,
  },
  E_DEMO_FOLDER: {
    message: "The folder {path} is not empty and was not made by the demo",
    remedy: "Choose another --out.",
    exit: 2,
  },
  E_RUN_LOCKED: {
    message: "The folder {path} is in use by process {pid}",
    remedy: "Wait for it to end, or stop it as Ctrl-C does: kill -INT {pid}",
    exit: 1,
  },
  E_RUN_CHANGED: {
    message: "The run at {path} was made with another configuration: {differences}",
    remedy: "Resume with the same configuration, or choose another --out.",
    exit: 2,
  },
  E_ENCODER_ONLY: {
    message: "The checkpoint {path} has no decoder, so nothing can be reconstructed",
    remedy: "Use the checkpoint of a run's stage.",
    exit: 1,
  },
  E_NO_BUFFER: {
    message: "No buffer at {path}",
    remedy: "Name a buffer.json, the folder of a stage, or a run; or make one: npx medcoss buffer.",
    exit: 1,
  },
  E_BUFFER_CORRUPT: {
    message: "The buffer {path} is damaged: {problem}",
    remedy: "Make it again with: npx medcoss buffer",
    exit: 1,
  },
  E_BUFFER_MISMATCH: {
    message: "The buffer does not fit: {problem}",
    remedy: "Give buffers of one modality and network, and the store that they were made from.",
    exit: 2,
  },
  E_BUFFER_SOURCES: {
    message: "The samples of {modality} cannot be named: {problem}",
    remedy: "See docs/replay.md for what each published form needs.",
    exit: 1,
  },
  // While running
  E_NON_FINITE: {
    message:
      "The loss was not finite in {count} steps in a row, at step {step} of {stage} (samples {samples})",
    remedy: "Lower the learning rate, or use fp32.",
    exit: 1,
  },
  E_DISK_FULL: {
    message: "No space left while writing {path}",
    remedy: "Free space, then go on with --resume.",
    exit: 1,
  },
  E_WRITE: {
    message: "{path} cannot be written: {problem}",
    remedy: "Check the folder and its permissions.",
    exit: 1,
  },
  E_OUT_OF_MEMORY: {
    message: "Out of memory on {device}: {problem}",
    remedy: "Raise --accumulate, which computes a batch in parts, or lower --batch-size.",
    exit: 1,
  },
  E_CLOSED: { message: "The {what} is closed", remedy: "Make a new one.", exit: 1 },
  E_ARGUMENT: {
    message: "Expected {expected} for {argument}, received {received}",
    remedy: "Correct the call.",
    exit: 2,
  },
  E_FEATURES: {
    message: "The feature of sample {sample} of {modality} is not finite",
    remedy: "Use another checkpoint, or fp32.",
    exit: 1,
  },
  E_ABORTED: {
    message: "Stopped; {what} was not finished and nothing was written",
    remedy: "Run it again.",
    exit: 130,
  },
  E_INTERRUPTED: {
    message: "Interrupted; a checkpoint was saved in {path}",
    remedy: "The same command goes on from there; `pretrain` needs --resume for it.",
    exit: 130,
  },
  E_INTERNAL: {
    message: "Internal error: {problem}",
    remedy: "Run with --debug and report what it prints.",
    exit: 1,
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof registry;

type Values = Record<string, string | number>;

function fill(template: string, values: Values): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The only error class that medcoss throws on purpose. */
export class MedcossError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly exitCode: number;
  readonly values: Values;

  constructor(code: ErrorCode, values: Values = {}, options?: ErrorOptions) {
    super(fill(registry[code].message, values), options);
    this.name = "MedcossError";
    this.code = code;
    this.remedy = fill(registry[code].remedy, values);
    this.exitCode = registry[code].exit;
    this.values = values;
  }

  /** The one line that the command line prints. */
  toLine(): string {
    const end = /[.?!]$/.test(this.message) ? "" : ".";
    return `${this.code}: ${this.message}${end} ${this.remedy}`;
  }
}

/** The registry as the table of docs/errors.md. */
export function errorTable(): string {
  const rows = Object.entries(registry).map(
    ([code, { message, remedy, exit }]) => `| \`${code}\` | ${exit} | ${message} | ${remedy} |`,
  );
  return ["| code | exit | message | remedy |", "| --- | --- | --- | --- |", ...rows].join("\n");
}
