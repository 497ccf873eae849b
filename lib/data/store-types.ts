/** The face of an opened store; `openStore` makes one. */
import type { InputKind } from "../batch.js";
import type { Dataset, RecordFormat } from "./dataset.js";
import type { Tokenizer } from "./tokenizer.js";

/** Which records a dataset shows. */
export type Part = "train" | "validation" | "all";

export interface ModalityInfo {
  modality: string;
  kind: InputKind;
  /** Records for training. */
  train: number;
  /** Records put aside. */
  validation: number;
  record: RecordFormat;
  preprocessingDigest: string;
}

export interface Store extends AsyncDisposable {
  readonly path: string;
  /** In the order in which they were first packed. */
  readonly modalities: string[];
  /** Throws E_NO_MODALITY. */
  info(modality: string): ModalityInfo;
  /** Throws E_NO_MODALITY. */
  dataset(modality: string, part: Part): Dataset;
  /**
   * Records by their stable numbers: places in the shards in order, counting every record ever packed, so a number means
   * the same record after more data was packed. Throws E_NO_MODALITY, and E_ARGUMENT for a number that is not there.
   */
  records(modality: string, numbers: ArrayLike<number>): Dataset;
  /** The stable number of a part's `index`-th record. Throws E_NO_MODALITY, E_ARGUMENT. */
  recordNumber(modality: string, part: Part, index: number): number;
  /** The tokenizer of the reports; undefined where there are none. */
  tokenizer(): Promise<Tokenizer | undefined>;
  /** Idempotent. */
  close(): Promise<void>;
}
