// Matrix products and normalisations.
#include "convolution.h"

using namespace mimicsr;
using at::Tensor;

// a [..., m, k] or transposed, b [..., k, n] or transposed; leading axes broadcast.
KERNEL(BatchMatMul) {
  Tensor a = call.tensor();
  Tensor b = call.tensor();
  if (call.flag()) a = a.transpose(-1, -2);
  if (call.flag()) b = b.transpose(-1, -2);
  call.result(at::matmul(a, b));
}

KERNEL(FusedMatMul) {
  Tensor a = call.tensor();
  Tensor b = call.tensor();
  const Tensor bias = call.optional_tensor();
  if (call.flag()) a = a.transpose(-1, -2);
  if (call.flag()) b = b.transpose(-1, -2);
  const auto activation = static_cast<Activation>(call.integer());
  const double slope = call.number();
  const Tensor prelu = call.optional_tensor();
  Tensor y = at::matmul(a, b);
  if (bias.defined()) y.add_(bias);
  activate(y, activation, slope, prelu);
  call.result(y);
}

// (x - mean) / sqrt(variance + eps) * scale + offset; statistics broadcast over the last axis.
KERNEL(FusedBatchNorm) {
  const Tensor& x = call.tensor();
  const Tensor& mean = call.tensor();
  const Tensor& variance = call.tensor();
  const Tensor scale = call.optional_tensor();
  const Tensor offset = call.optional_tensor();
  Tensor factor = at::rsqrt(variance.add(call.number()));
  if (scale.defined()) factor = factor.mul(scale);
  Tensor shift = mean.neg().mul(factor);
  if (offset.defined()) shift = shift.add(offset);
  call.result(at::addcmul(shift.expand(x.sizes()), x, factor));
}

// Sum over 2r+1 neighbours of the last axis.
static Tensor neighbours(const Tensor& x, int64_t radius) {
  return at::constant_pad_nd(x, {radius, radius}).unfold(-1, 2 * radius + 1, 1).sum(-1);
}

// Local response normalisation: x * (bias + alpha * sum of x^2 over the channels around)^-beta.
KERNEL(LRN) {
  const Tensor& x = call.tensor();
  const int64_t radius = call.integer();
  const double bias = call.number(), alpha = call.number(), beta = call.number();
  call.result(x.mul(neighbours(x.mul(x), radius).mul(alpha).add(bias).pow(-beta)));
}

KERNEL(LRNGrad) {
  const Tensor& x = call.tensor();
  const Tensor& y = call.tensor();
  const Tensor& dy = call.tensor();
  const int64_t radius = call.integer();
  const double bias = call.number(), alpha = call.number(), beta = call.number();
  const Tensor norm = neighbours(x.mul(x), radius).mul(alpha).add(bias);
  const Tensor around = neighbours(dy.mul(y).div(norm), radius);
  call.result(dy.mul(norm.pow(-beta)).sub(x.mul(around).mul(2 * alpha * beta)));
}

KERNEL(Einsum) {
  const auto terms = call.tensors();
  std::string equation;
  for (const int64_t letter : call.integers()) equation.push_back(static_cast<char>(letter));
  call.result(at::einsum(equation, terms));
}
