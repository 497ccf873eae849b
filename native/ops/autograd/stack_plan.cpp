#include "ops/autograd/stack_plan.h"

#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>

namespace medcoss {
namespace {

// A factor per row.
at::Tensor row_scale(const at::Tensor& scale_B, const Sequences& sequences) {
  return scale_B.index_select(0, sequences.owners(scale_B.device()));
}

// Factors of a branch: one per sequence where these have one length, otherwise one per row.
at::Tensor branch_scale(const at::Tensor& scale_B, const Sequences& sequences) {
  return sequences.even() ? scale_B : row_scale(scale_B, sequences);
}

// Places of the wanted rows of some sequences among the rows of these sequences alone.
at::Tensor places_among(const StackInput& input, const std::vector<int64_t>& which) {
  const WantedRows& wanted = input.wanted;
  const Sequences kept = input.sequences.chosen(which);
  at::Tensor places = wanted.row_Q.index_select(0, wanted.sequences.rows_of(which));
  auto* place = places.mutable_data_ptr<int64_t>();
  for (size_t k = 0; k < which.size(); ++k) {
    const int64_t shift = input.sequences.start(which[k]) - kept.start(static_cast<int64_t>(k));
    const int64_t count = wanted.sequences.length(which[k]);
    for (int64_t i = 0; i < count; ++i) *place++ -= shift;
  }
  return places;
}

class Planner {
 public:
  Planner(const StackInput& input, size_t blocks) : input_(input), halves_(2 * blocks) {
    if (!input.drop.survivors.empty() && input.drop.factor != 1) {
      factor_1_ = at::full({1}, input.drop.factor, at::kFloat);
    }
  }

  HalfPlan attention(size_t half) const {
    HalfPlan plan = common(half, input_.sequences);
    const bool narrows = half + 2 == halves_ && input_.wanted.row_Q.defined();
    if (half == 0) plan.expansion = input_.expansion;
    plan.rows = input_.sequences.rows();
    plan.causal = input_.causal;
    if (narrows) plan.keep = input_.wanted.row_Q;
    if (plan.skipped) return plan;
    const bool some = plan.row_M.defined();
    plan.sequences = some ? input_.sequences.chosen(survivors(half)) : input_.sequences;
    if (!narrows) return plan;
    const Sequences& wanted = input_.wanted.sequences;
    // Queries are not known by sequence, or stand among rows that are yet to be repeated.
    if (wanted.count() == 0 || plan.expansion) {
      plan.repeats_kept = wanted.count() == 0;
      plan.scale_B = wanted_scale(half);
      return plan;
    }
    plan.queries = some ? wanted.chosen(survivors(half)) : wanted;
    plan.query_Q = some ? places_among(input_, survivors(half)) : input_.wanted.row_Q;
    if (some) plan.target_Q = wanted.rows_of(survivors(half));
    if (!drops()) plan.scale_B = wanted_scale(half);
    return plan;
  }

  HalfPlan feed_forward(size_t half) const {
    const bool narrowed = half + 1 == halves_ && input_.wanted.row_Q.defined();
    if (!narrowed) return common(half, input_.sequences);
    HalfPlan plan;
    if (drops())
      plan = common(half, input_.wanted.sequences);
    else
      plan.scale_B = wanted_scale(half);
    return plan;
  }

 private:
  bool drops() const { return !input_.drop.survivors.empty(); }
  const std::vector<int64_t>& survivors(size_t half) const { return input_.drop.survivors[half]; }
  at::Tensor scale(size_t half) const {
    return input_.drop.scale_SB.select(0, static_cast<int64_t>(half));
  }
  // A factor per wanted row.
  at::Tensor wanted_scale(size_t half) const {
    if (!input_.drop.scale_SB.defined()) return {};
    return row_scale(scale(half), input_.sequences).index_select(0, input_.wanted.row_Q);
  }

  HalfPlan common(size_t half, const Sequences& sequences) const {
    HalfPlan plan;
    if (!drops()) {
      if (input_.drop.scale_SB.defined()) plan.scale_B = branch_scale(scale(half), sequences);
      return plan;
    }
    plan.scale_B = factor_1_;
    plan.skipped = survivors(half).empty();
    const bool all = static_cast<int64_t>(survivors(half).size()) == sequences.count();
    if (!plan.skipped && !all) plan.row_M = sequences.rows_of(survivors(half));
    return plan;
  }

  const StackInput& input_;
  size_t halves_;
  at::Tensor factor_1_;
};

}  // namespace

std::vector<HalfPlan> stack_plan(const StackInput& input, size_t blocks) {
  const Planner planner(input, blocks);
  std::vector<HalfPlan> plans;
  plans.reserve(2 * blocks);
  for (size_t block = 0; block < blocks; ++block) {
    plans.push_back(planner.attention(2 * block));
    plans.push_back(planner.feed_forward(2 * block + 1));
  }
  return plans;
}

}  // namespace medcoss
