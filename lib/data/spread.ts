/** A few records of a dataset from all of its length; neighbours are often of one case. */
import type { Dataset } from "./dataset.js";

/** A view of at most `count` records at even distances. */
export function spread(dataset: Dataset, count: number): Dataset {
  const length = Math.min(count, dataset.length);
  const at = (i: number) => Math.floor(((i + 0.5) * dataset.length) / length);
  const { kind, record } = dataset;
  return { kind, record, length, read: (index, into) => dataset.read(at(index), into) };
}
