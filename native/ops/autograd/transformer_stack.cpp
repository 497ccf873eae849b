#include "ops/autograd/transformer_stack.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "ops/autograd/no_autocast.h"
#include "ops/autograd/stack_plan.h"

namespace medcoss {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// One pass through a stack: what it is made of, and what it keeps.
struct StackPass : torch::CustomClassHolder {
  std::vector<BlockParameters> blocks;
  std::vector<HalfPlan> plans;
  std::vector<SavedHalf> saved;
  std::vector<Stream> entered;  // by block, where they are computed once more
  int64_t heads;
  at::ScalarType type;
  bool recomputes;
  Shadows& shadows;

  StackPass(const StackInput& input, std::vector<BlockParameters> parameters, Shadows& copies)
      : blocks(std::move(parameters)),
        plans(stack_plan(input, blocks.size())),
        heads(input.heads),
        type(input.type),
        recomputes(input.recomputes),
        shadows(copies) {}

  bool is_attention(size_t half) const { return half % 2 == 0; }
  const HalfParameters& parameters(size_t half) const {
    const BlockParameters& block = blocks[half / 2];
    return is_attention(half) ? block.attention : block.feed_forward;
  }
  TransformerHalf half(size_t i) const { return {parameters(i), plans[i], type, shadows}; }

  void run(size_t i, Stream& stream, SavedHalf* kept) const {
    if (is_attention(i))
      half(i).attention(stream, heads, kept);
    else
      half(i).feed_forward(stream, kept);
  }

  at::Tensor forward(const at::Tensor& x_NW, bool keeps) {
    Stream stream{x_NW, std::nullopt};
    saved.resize(keeps ? plans.size() : 0);
    for (size_t i = 0; i < plans.size(); ++i) {
      if (keeps && recomputes && is_attention(i)) entered.push_back(stream);
      run(i, stream, keeps && !recomputes ? &saved[i] : nullptr);
    }
    stream.settle();
    return stream.x_NW;
  }

  // What the last block that is left would have kept.
  void recompute(size_t block) {
    Stream stream = std::move(entered.back());
    entered.pop_back();
    for (const size_t i : {2 * block, 2 * block + 1}) run(i, stream, &saved[i]);
  }

  // Gradients of x and of the parameters of all halves; what was kept is gone.
  std::pair<at::Tensor, std::vector<HalfGradients>> backward(const at::Tensor& dx_NW) {
    BackwardStream stream{dx_NW, {}};
    std::vector<HalfGradients> gradients(plans.size());
    for (size_t i = plans.size(); i-- > 0;) {
      if (recomputes && !is_attention(i)) recompute(i / 2);
      gradients[i] = is_attention(i) ? half(i).attention_backward(saved[i], heads, stream)
                                     : half(i).feed_forward_backward(saved[i], stream);
      saved.pop_back();
    }
    return {stream.dx_NW, std::move(gradients)};
  }
};

// Hidden from autograd, which would take it apart.
struct PassHandle {
  c10::intrusive_ptr<StackPass> pass;
};

std::vector<at::Tensor> listed(const HalfParameters& p) {
  std::vector<at::Tensor> list = {p.norm.weight_W, p.norm.bias_W,   p.first.weight,
                                  p.first.bias,    p.second.weight, p.second.bias};
  if (p.gamma_W.defined()) list.push_back(p.gamma_W);
  return list;
}

class TransformerStack : public torch::autograd::Function<TransformerStack> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x_NW,
                          at::TensorList /*parameters*/, const PassHandle& handle) {
    const NoAutocast no_autocast;
    context->saved_data["pass"] = c10::IValue::make_capsule(handle.pass);
    return handle.pass->forward(x_NW, true);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const NoAutocast no_autocast;
    const auto pass =
        c10::static_intrusive_pointer_cast<StackPass>(context->saved_data["pass"].toCapsule());
    context->saved_data.clear();
    // Some halves add to it in place.
    auto [dx, halves] = pass->backward(gradient[0].clone(at::MemoryFormat::Contiguous));
    variable_list result{dx};
    for (HalfGradients& half : halves) {
      for (at::Tensor& tensor : half) {
        if (tensor.defined()) result.push_back(std::move(tensor));
      }
    }
    result.emplace_back();
    return result;
  }
};

}  // namespace

at::Tensor transformer_stack(const StackInput& input, const std::vector<BlockParameters>& blocks,
                             Shadows& shadows) {
  const auto pass = c10::make_intrusive<StackPass>(input, blocks, shadows);
  const at::Tensor x_NW = input.x_NW.to(at::kFloat).contiguous();
  if (!at::GradMode::is_enabled()) {
    const NoAutocast no_autocast;
    return pass->forward(x_NW, false);
  }
  std::vector<at::Tensor> parameters;
  for (size_t i = 0; i < pass->plans.size(); ++i) {
    for (const at::Tensor& tensor : listed(pass->parameters(i))) parameters.push_back(tensor);
  }
  return TransformerStack::apply(x_NW, at::TensorList(parameters), PassHandle{pass});
}

}  // namespace medcoss
