// Texts without their padding: the real tokens of a batch, one text after another.
//
// Exact for every real token where a query sees the real tokens of its own text, or those up to its
// own place, and nothing else.
// Shape letters: B batch, L tokens, N real tokens of all texts, Q wanted ones.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/text_embedding.h"
#include "ops/autograd/transformer_stack.h"

namespace medcoss {

struct PackedText {
  at::Tensor row_N;  // int64, flat places in [B L], rising
  at::Tensor ids_N;  // int64
  /// Place of a token in its text, int64.
  at::Tensor place_N;
  Sequences sequences;

  /// Of a batch on the CPU.
  explicit PackedText(const TextInput& input);
  /// Real tokens at flat places [Q] of [B L], rising. No sequences where one of them is not real.
  WantedRows wanted(const TextInput& input, const at::Tensor& position_Q) const;
};

/// The same for a device, where shapes are to repeat: filled up to a number of rows that many
/// batches share, in sequences of their own which nobody asks for.
struct FilledText {
  at::Tensor ids_N, place_N;  // int64
  at::Tensor owner_N;         // int64, the text of each row; of a row of filling: any
  at::Tensor starts;          // int32, of the texts and of the sequences of filling, with the end
  at::Tensor real_N;          // bool, false in rows of filling
  int64_t longest = 0;

  FilledText() = default;
  /// Of a batch on the CPU whose texts have at most `longest_text` tokens: at least `least_rows`
  /// rows, which are at most 1,024 more than are real.
  FilledText(const TextInput& input, int64_t longest_text, int64_t least_rows);
  Sequences sequences() const { return Sequences::on_device(starts, owner_N, longest); }
};

/// Whether texts of a preset may be packed: padding is neither seen nor asked for.
bool packs_texts(const Behaviour& behaviour);

}  // namespace medcoss
