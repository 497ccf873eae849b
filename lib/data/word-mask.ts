/**
 * Whole-word masking (reference: the BERT collator of transformers 4): which pieces a text has to predict, and what the
 * network sees in their place.
 *
 * Invariant: special pieces and padding are never predicted; a word is chosen whole or not at all.
 */
import type { Draws } from "../random.js";
import type { WordMaskOptions, WordPieces } from "./batch-source.js";

/** Label of a position that is not predicted. */
export const IGNORE = -100;

const SHARE_MASKED = 0.8;
const SHARE_MASKED_OR_RANDOM = 0.9;

interface Word {
  start: number;
  end: number;
}

/** Runs of pieces; a continuation joins the word before it. The class token and separators are left out. */
function wordsOf(ids: Int32Array, end: number, tokenizer: WordPieces): Word[] {
  const { classification, separator, pad } = tokenizer.special;
  const words: Word[] = [];
  for (let i = 0; i < end; i++) {
    const id = ids[i] as number;
    if (id === classification || id === separator) continue;
    const last = words.at(-1);
    if (last && id !== pad && tokenizer.isContinuation(id)) last.end = i + 1;
    else words.push({ start: i, end: i + 1 });
  }
  return words;
}

/** `count` words of (index) in blocks of four, since one Philox call gives four. */
function drawWords(draws: Draws, index: number, count: number): Uint32Array {
  const values = new Uint32Array(count + 3);
  for (let block = 0; block * 4 < count; block++) {
    values.set(draws.words(index, block), block * 4);
  }
  return values;
}

/** Positions to predict, chosen word by word in random order until the quota is filled. */
function choose(words: Word[], quota: number, order: Uint32Array): number[] {
  const sorted = words.map((_, i) => i);
  sorted.sort((a, b) => (order[a] as number) - (order[b] as number) || a - b);
  const chosen: number[] = [];
  for (const i of sorted) {
    if (chosen.length >= quota) break;
    const { start, end } = words[i] as Word;
    if (chosen.length + end - start > quota) continue;
    for (let position = start; position < end; position++) chosen.push(position);
  }
  return chosen;
}

/** Pieces to choose among, and how many. */
function candidates(ids: Int32Array, length: number, options: WordMaskOptions) {
  const { tokenizer, probability, quota } = options;
  const share = (pieces: number) => Math.max(1, Math.round(probability * pieces));
  if (quota === "padded-length") {
    return { words: wordsOf(ids, ids.length, tokenizer), pieces: share(ids.length) };
  }
  const { unknown } = tokenizer.special;
  const words = wordsOf(ids, length, tokenizer).filter(({ start }) => ids[start] !== unknown);
  return { words, pieces: share(words.reduce((sum, { start, end }) => sum + end - start, 0)) };
}

/**
 * Masks one text in place and writes its labels ([L], `IGNORE` where nothing is predicted). `index` is the text's
 * number in the batch; `draws` belong to `Purpose.wordMask`, `replacements` to `Purpose.wordReplacement`.
 */
export function maskWords(
  ids: Int32Array,
  length: number,
  labels: Int32Array,
  options: WordMaskOptions,
  key: { index: number; draws: Draws; replacements: Draws },
): void {
  const { special, vocabularySize } = options.tokenizer;
  const { words, pieces } = candidates(ids, length, options);
  const chosen = choose(words, pieces, drawWords(key.draws, key.index, words.length));
  labels.fill(IGNORE);
  for (const position of chosen) {
    const id = ids[position] as number;
    if (position >= length || id === special.unknown) continue;
    labels[position] = id;
    const [share, pick] = key.replacements.words(key.index, position);
    const uniform = (share >>> 8) * 2 ** -24;
    if (uniform < SHARE_MASKED) ids[position] = special.mask;
    else if (uniform < SHARE_MASKED_OR_RANDOM) {
      ids[position] = Math.floor((pick / 2 ** 32) * vocabularySize);
    }
  }
}
