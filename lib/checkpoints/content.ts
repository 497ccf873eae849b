/**
 * What a file of tensors is, told by their names.
 *
 * Invariant: one tensor of a network makes it a network's; a part of one is still that.
 */
import { isEncoderTensor } from "./encoder.js";

export type Content = "network" | "optimizer" | "other";

const decoder = /^(decoder_|mlm_head\.|mask_token$)/;
/** What `Trainer.save` appends to the name of a parameter. */
const optimizerState = /\.(exp_avg|exp_avg_sq|step)$/;

/** Whether the tensors of these names are a network of ours, the state of an optimiser, or neither. */
export function contentOf(names: Iterable<string>): Content {
  const all = [...names];
  const own = all.filter((name) => isEncoderTensor(name) || decoder.test(name));
  if (own.some((name) => !optimizerState.test(name))) return "network";
  return own.length > 0 ? "optimizer" : "other";
}

/** What to tell of a file that holds no network. */
export const contentProblems: Record<Exclude<Content, "network">, string> = {
  optimizer: "it holds the state of an optimiser; the network is in model.safetensors beside it",
  other: "none of its tensors is one of this network",
};
