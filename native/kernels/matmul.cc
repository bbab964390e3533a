// Matrix products and normalisations.
#include "../core/rows.h"
#include "convolution.h"

using namespace mimicsr;
using at::Tensor;

namespace {

// Debian's libtorch multiplies with the reference BLAS, a hundredth of the processor's speed; where there is no MKL the
// kit's own product runs. Leading axes broadcast.
Tensor product(const Tensor& a, const Tensor& b) {
  if (at::hasMKL() || !on_loops(a) || a.dim() < 2 || b.dim() < 2) return at::matmul(a, b);
  const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  TORCH_CHECK(b.size(-2) == k, "cannot multiply ", m, "x", k, " with ", b.size(-2), "x", n);
  const auto leading = [](const Tensor& t) { return t.sizes().slice(0, t.dim() - 2); };
  const auto batch = at::infer_size(leading(a), leading(b));
  const auto all = [&](const Tensor& t) {
    Sizes shape(batch.begin(), batch.end());
    shape.append({t.size(-2), t.size(-1)});
    return t.expand(shape).reshape({-1, t.size(-2), t.size(-1)});
  };
  // A matrix that all products share is not copied: its batch stride is 0.
  const Tensor x = batch.empty() ? a.unsqueeze(0) : leading(a).size() == 0 ? a.unsqueeze(0) : all(a);
  const Tensor y = batch.empty() ? b.unsqueeze(0) : leading(b).size() == 0 ? b.unsqueeze(0) : all(b);
  Sizes shape(batch.begin(), batch.end());
  shape.append({m, n});
  const Tensor c = at::empty(shape, a.options());
  int64_t count = 1;
  for (const int64_t size : batch) count *= size;
  const int64_t x_batch = x.size(0) == 1 ? 0 : x.stride(0), y_batch = y.size(0) == 1 ? 0 : y.stride(0);
  // Few products are cut into stretches of rows.
  const Parts rows(m, 32, count >= 8 ? 1 : 8);
  at::parallel_for(0, count * rows.number, std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, rows.size * n * k)),
                   [&](int64_t begin, int64_t end) {
                     const Tensor scratch = at::empty({k * 4 * fast().lanes}, a.options());
                     for (int64_t item = begin; item < end; ++item) {
                       const int64_t i = item / rows.number, first = rows.begin(item % rows.number);
                       fast().gemm(rows.end(item % rows.number) - first, n, k,
                                   data(x) + i * x_batch + first * x.stride(1), x.stride(1), x.stride(2),
                                   data(y) + i * y_batch, y.stride(1), y.stride(2),
                                   c.data_ptr<float>() + (i * m + first) * n, scratch.data_ptr<float>());
                     }
                   });
  return c;
}

}  // namespace

// a [..., m, k] or transposed, b [..., k, n] or transposed; leading axes broadcast.
KERNEL(BatchMatMul) {
  Tensor a = call.tensor();
  Tensor b = call.tensor();
  if (call.flag()) a = a.transpose(-1, -2);
  if (call.flag()) b = b.transpose(-1, -2);
  call.result(product(a, b));
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
  Tensor y = product(a, b);
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
