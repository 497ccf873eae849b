#include "train/step/parts.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>
#include <utility>

#include "support/error.h"

namespace medcoss {
namespace {

// Samples `from` to `to - 1` of a batch of `count`.
struct Range {
  int64_t from, to, count;

  int64_t size() const { return to - from; }
  double share() const { return static_cast<double>(size()) / static_cast<double>(count); }
  at::Tensor of(const at::Tensor& x, int64_t axis = 0) const {
    return x.defined() ? x.narrow(axis, from, size()) : x;
  }
};

Stochastic part_of(const Stochastic& whole, const Range& range) {
  Stochastic part = whole;
  for (std::vector<int64_t>& samples : part.survivors) {
    std::vector<int64_t> own;
    for (const int64_t sample : samples) {
      if (sample >= range.from && sample < range.to) own.push_back(sample - range.from);
    }
    samples = std::move(own);
  }
  part.scale_SB = range.of(whole.scale_SB, 1);
  return part;
}

// Rows of pictures, whichever kind they are.
Batch chosen(const Batch& batch, const at::Tensor& row_N) {
  const auto rows = [&](const at::Tensor& x) { return x.defined() ? x.index_select(0, row_N) : x; };
  if (const auto* image = std::get_if<ImageBatch>(&batch))
    return ImageBatch{rows(image->pixels_BHWC), rows(image->crops_B4), rows(image->flips_B)};
  VolumeBatch volume = std::get<VolumeBatch>(batch);
  volume.voxels_BDHW = rows(volume.voxels_BDHW);
  volume.flips_B = rows(volume.flips_B);
  return volume;
}

// With mixup, the partners stand behind the samples, mixed with themselves.
void take_pictures(const StepInputs& whole, const Range& range, StepInputs& part) {
  part.noise_BL = range.of(whole.noise_BL);
  part.weight = range.share();
  at::Tensor row_N = at::arange(range.from, range.to);
  if (whole.mix.partner_B.defined()) {
    const at::Tensor own = at::arange(range.size(), whole.mix.partner_B.options());
    const at::Tensor weight = range.of(whole.mix.weight_B);
    row_N = at::cat({row_N, range.of(whole.mix.partner_B).to(at::kLong)});
    part.mix.partner_B = at::cat({own.add(range.size()), own.add(range.size())});
    part.mix.weight_B = at::cat({weight, at::ones_like(weight)});
  }
  part.batch = chosen(whole.batch, row_N);
}

double count_of(const at::Tensor& chosen) {
  return chosen.sum().item<double>();
}

void take_words(const StepInputs& whole, const Range& range, StepInputs& part) {
  const int64_t length = whole.text.ids_BL.size(1);
  const at::Tensor labelled = whole.labels.id_N.ne(no_label);
  const at::Tensor& position = whole.labels.position_N;
  const at::Tensor own = labelled.logical_and(position.ge(range.from * length))
                             .logical_and(position.lt(range.to * length));
  part.labels.position_N = position.masked_select(own).sub_(range.from * length);
  part.labels.id_N = whole.labels.id_N.masked_select(own);
  part.weight = count_of(own) / count_of(labelled);
}

void take_texts(const StepInputs& whole, const Range& range, bool padding_counts,
                StepInputs& part) {
  part.text = text_input(range.of(whole.text.ids_BL), range.of(whole.text.real_BL));
  if (!whole.mode.replay) return take_words(whole, range, part);
  const at::Tensor& real = whole.text.real_BL;
  part.weight = padding_counts ? range.share() : count_of(range.of(real)) / count_of(real);
}

}  // namespace

int64_t StepParts::samples() const {
  int64_t count = 0;
  for (const StepInputs& part : parts) count += part.samples;
  return count;
}

std::vector<at::Tensor*> StepParts::tensors() {
  std::vector<at::Tensor*> all{&learning_rate};
  for (StepInputs& part : parts) {
    const auto own = part.tensors();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

StepParts in_parts(StepInputs whole, const TrainerOptions& options, bool fixed_shapes) {
  const int64_t count = std::min(options.accumulate, whole.samples);
  StepParts result;
  if (count == 1) {
    result.parts.push_back(std::move(whole));
    return result;
  }
  if (whole.is_text() && options.behaviour.tiled_text_mask)
    refuse("accumulate", "1 where a text sees the padding of others", std::to_string(count));
  for (int64_t i = 0; i < count; ++i) {
    const Range range{i * whole.samples / count, (i + 1) * whole.samples / count, whole.samples};
    StepInputs part;
    part.mode = whole.mode;
    part.samples = range.size();
    part.targets_BLW = range.of(whole.targets_BLW);
    part.student = part_of(whole.student, range);
    part.teacher = part_of(whole.teacher, range);
    if (whole.is_text())
      take_texts(whole, range, options.behaviour.distillation_include_padding, part);
    else
      take_pictures(whole, range, part);
    // Without a labelled word there is nothing to learn.
    if (part.weight == 0) continue;
    if (fixed_shapes && part.labels.id_N.defined()) pad(part.labels);
    result.parts.push_back(std::move(part));
  }
  return result;
}

}  // namespace medcoss
