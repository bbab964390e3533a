// AdamW (weight decay 0) with a clipped global norm, in place: the fused kernel of src/train/adam.ts.
#include <cmath>

#include "../core/call.h"
#include "../core/rows.h"

using namespace mimicsr;
using at::Tensor;

// Moments m, v [total], weights and gradients in the same order -> the global norm of the gradients, [].
// Changes nothing where the norm is not finite.
KERNEL(AdamStep) {
  const int64_t count = call.integer();
  Tensor& m = call.owned_tensor();
  Tensor& v = call.owned_tensor();
  std::vector<Tensor*> weights;
  for (int64_t i = 0; i < count; ++i) weights.push_back(&call.owned_tensor());
  std::vector<Tensor> gradients;
  for (int64_t i = 0; i < count; ++i) gradients.push_back(call.tensor().contiguous());
  const double rate = call.number(), beta1 = call.number(), beta2 = call.number(), epsilon = call.number();
  const double clip = call.number(), correction1 = call.number(), correction2 = call.number();

  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(weights[i]->numel() == gradients[i].numel(), "gradient ", i, " has another size than its weight");
    total += gradients[i].numel();
  }
  TORCH_CHECK(m.numel() == total && v.numel() == total, "the moments have another size than the weights");

  const bool in_memory = on_loops(m);
  double squares = 0;
  if (in_memory) {
    std::vector<double> parts(gradients.size());
    parallel_parts(count, [&](int64_t i) { parts[i] = fast().square_sum(data(gradients[i]), gradients[i].numel()); });
    for (const double part : parts) squares += part;
  } else {
    Tensor sum = at::zeros({}, m.options().dtype(at::kDouble));
    for (const Tensor& g : gradients) sum.add_(at::sum(g.mul(g), at::kDouble));
    squares = sum.item<double>();
  }
  const double norm = std::sqrt(squares);
  const Tensor result = at::full({}, norm, call.options(at::kFloat));
  if (!std::isfinite(static_cast<float>(norm))) return call.result(result);

  const double scale = std::min(1.0, clip / (norm + 1e-6));
  std::vector<int64_t> begin(gradients.size());
  for (size_t i = 1; i < begin.size(); ++i) begin[i] = begin[i - 1] + gradients[i - 1].numel();
  if (in_memory) {
    parallel_parts(count, [&](int64_t i) {
      fast().adam(weights[i]->data_ptr<float>(), m.data_ptr<float>() + begin[i], v.data_ptr<float>() + begin[i],
                  data(gradients[i]), gradients[i].numel(), static_cast<float>(scale), static_cast<float>(rate),
                  static_cast<float>(beta1), static_cast<float>(1 - beta1), static_cast<float>(beta2),
                  static_cast<float>(1 - beta2), static_cast<float>(epsilon), static_cast<float>(correction1),
                  static_cast<float>(correction2));
    });
  } else {
    std::vector<Tensor> flat;
    for (const Tensor& g : gradients) flat.push_back(g.reshape({-1}));
    const Tensor g = at::cat(flat).mul_(scale);
    m.mul_(beta1).add_(g, 1 - beta1);
    v.mul_(beta2).addcmul_(g, g, 1 - beta2);
    const Tensor change = m.div(v.sqrt().div_(std::sqrt(correction2)).add_(epsilon)).mul_(rate / correction1);
    for (int64_t i = 0; i < count; ++i) {
      weights[i]->sub_(change.narrow(0, begin[i], weights[i]->numel()).reshape(weights[i]->sizes()));
    }
  }
  call.result(result);
}
