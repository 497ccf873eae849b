/**
 * A reconstruction of reports as Markdown: one table row per report with its masked text, the guesses and the truth.
 *
 * Invariant: pieces of one word ("##" pieces) that were masked together are shown as one word.
 */
import type { TextBatch } from "../batch.js";
import type { Tokenizer } from "../data/tokenizer.js";
import type { NativeReconstruction } from "../native/types.js";

const NO_LABEL = -100;

/** What happened to one report. */
export interface WordGuesses {
  /** The report with numbered blanks in place of the words to predict. */
  masked: string;
  guesses: string[];
  truth: string[];
}

interface Word {
  shown: number[];
  guess: number[];
  truth: number[];
  hidden: boolean;
}

/** A network may have more classes than the tokenizer has pieces; those have no text. */
function knownId(id: number, tokenizer: Tokenizer): number {
  return id < tokenizer.vocabularySize ? id : tokenizer.special.unknown;
}

/** The words of one report, special tokens left out. */
function words(row: number, batch: TextBatch, guesses: Float32Array, tokenizer: Tokenizer): Word[] {
  const length = batch.ids.length / batch.lengths.length;
  const found: Word[] = [];
  for (let i = 0; i < (batch.lengths[row] as number); i++) {
    const at = row * length + i;
    const id = batch.ids[at] as number;
    const label = batch.labels?.[at] ?? NO_LABEL;
    const hidden = label !== NO_LABEL;
    const truth = hidden ? label : id;
    const { classification, separator, pad } = tokenizer.special;
    if (truth === classification || truth === separator || truth === pad) continue;
    const last = found.at(-1);
    const word =
      last && tokenizer.isContinuation(truth) ? last : { shown: [], guess: [], truth: [], hidden };
    if (word !== last) found.push(word);
    word.shown.push(id);
    word.truth.push(truth);
    word.guess.push(hidden ? knownId(guesses[at] as number, tokenizer) : id);
    word.hidden ||= hidden;
  }
  return found;
}

/** The words, guesses and truths of one report of a batch. */
export function wordGuesses(
  row: number,
  batch: TextBatch,
  result: NativeReconstruction,
  tokenizer: Tokenizer,
): WordGuesses {
  const all = words(row, batch, result.prediction, tokenizer);
  const hidden = all.filter((word) => word.hidden);
  const masked = all.map((word) =>
    word.hidden ? `[${hidden.indexOf(word) + 1}]` : tokenizer.decode(word.shown),
  );
  return {
    masked: masked.join(" "),
    guesses: hidden.map((word) => tokenizer.decode(word.guess)),
    truth: hidden.map((word) => tokenizer.decode(word.truth)),
  };
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function line({ masked, guesses, truth }: WordGuesses): string {
  const list = (items: string[]) =>
    items.map((item, i) => `${i + 1} ${item}${item === truth[i] ? " ✓" : ""}`).join(", ") || "-";
  return `| ${cell(masked)} | ${cell(list(guesses))} | ${cell(truth.map((t, i) => `${i + 1} ${t}`).join(", ") || "-")} |`;
}

/** The Markdown page of the first `samples` reports. */
export function wordTable(
  batch: TextBatch,
  result: NativeReconstruction,
  tokenizer: Tokenizer,
  samples: number,
): string {
  const rows = Array.from({ length: Math.min(samples, batch.lengths.length) }, (_, row) =>
    wordGuesses(row, batch, result, tokenizer),
  );
  const total = rows.reduce((sum, row) => sum + row.truth.length, 0);
  const right = rows.reduce(
    (sum, row) => sum + row.guesses.filter((guess, i) => guess === row.truth[i]).length,
    0,
  );
  return [
    "# Masked words",
    "",
    `The numbered words were hidden from the network; ${right} of ${total} guesses are right.`,
    "",
    "| report | guesses | truth |",
    "| --- | --- | --- |",
    ...rows.map(line),
    "",
  ].join("\n");
}
