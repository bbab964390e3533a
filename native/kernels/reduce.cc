// Reductions, scans, softmax, sorting.
#include "../core/call.h"

using namespace mimicsr;
using at::Tensor;

// A sum of booleans counts them; a sum of integers stays int32 (ATen would widen it to int64).
static at::ScalarType sum_type(const Tensor& x) { return x.is_floating_point() ? x.scalar_type() : at::kInt; }

KERNEL(Sum) {
  const Tensor& x = call.tensor();
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  // An empty list means "all axes" to ATen and "none" to TensorFlow.js.
  call.result(axes.empty() ? x.to(sum_type(x)) : at::sum(x, axes, keep, sum_type(x)));
}

KERNEL(Mean) {
  const Tensor& x = call.tensor();
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  call.result(axes.empty() ? x.to(at::kFloat) : at::mean(x, axes, keep, at::kFloat));
}

KERNEL(Max) {
  const Tensor& x = call.tensor();
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  call.result(axes.empty() ? x : at::amax(x, axes, keep));
}

KERNEL(Min) {
  const Tensor& x = call.tensor();
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  call.result(axes.empty() ? x : at::amin(x, axes, keep));
}

// The remaining reductions take one axis at a time in ATen: reduce from the last axis down, so numbers stay valid.
template <typename Reduce>
static Tensor over_axes(Tensor x, Sizes axes, bool keep, Reduce reduce) {
  std::sort(axes.begin(), axes.end());
  for (size_t i = axes.size(); i-- > 0;) x = reduce(x, axes[i], keep);
  return x;
}

KERNEL(Prod) {
  const Tensor& x = call.tensor();
  const auto type = sum_type(x);
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  call.result(over_axes(x.to(type), axes, keep,
                        [&](const Tensor& t, int64_t axis, bool k) { return at::prod(t, axis, k, type); }));
}

KERNEL(All) {
  const Tensor& x = call.tensor();
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  call.result(
      over_axes(x, axes, keep, [](const Tensor& t, int64_t axis, bool k) { return at::all(t, axis, k); }));
}

KERNEL(Any) {
  const Tensor& x = call.tensor();
  const Sizes axes = call.integers();
  const bool keep = call.flag();
  call.result(
      over_axes(x, axes, keep, [](const Tensor& t, int64_t axis, bool k) { return at::any(t, axis, k); }));
}

KERNEL(ArgMax) {
  const Tensor& x = call.tensor();
  call.result(at::argmax(x, call.integer()).to(at::kInt));
}

KERNEL(ArgMin) {
  const Tensor& x = call.tensor();
  call.result(at::argmin(x, call.integer()).to(at::kInt));
}

KERNEL(Softmax) {
  const Tensor& x = call.tensor();
  call.result(at::softmax(x, call.integer()));
}

KERNEL(LogSoftmax) {
  const Tensor& x = call.tensor();
  call.result(at::log_softmax(x, call.integer()));
}

// Cumulative sum or product; `exclusive` leaves out the element itself, `reverse` runs from the end.
template <typename Scan>
static Tensor scan(Tensor x, int64_t axis, bool exclusive, bool reverse, double neutral, Scan step) {
  if (reverse) x = x.flip(axis);
  if (exclusive && x.size(axis) > 0) {
    Sizes first(x.sizes().begin(), x.sizes().end());
    first[axis] = 1;
    x = at::cat({at::full(first, neutral, x.options()), x.narrow(axis, 0, x.size(axis) - 1)}, axis);
  }
  x = step(x, axis);
  return reverse ? x.flip(axis) : x;
}

KERNEL(Cumsum) {
  const Tensor& x = call.tensor();
  const int64_t axis = call.integer();
  const bool exclusive = call.flag();
  const bool reverse = call.flag();
  const auto type = sum_type(x);
  call.result(scan(x.to(type), axis, exclusive, reverse, 0,
                   [&](const Tensor& t, int64_t d) { return at::cumsum(t, d, type); }));
}

KERNEL(Cumprod) {
  const Tensor& x = call.tensor();
  const int64_t axis = call.integer();
  const bool exclusive = call.flag();
  const bool reverse = call.flag();
  const auto type = sum_type(x);
  call.result(scan(x.to(type), axis, exclusive, reverse, 1,
                   [&](const Tensor& t, int64_t d) { return at::cumprod(t, d, type); }));
}

// The k largest of the last axis with their places, largest first; equal values keep their order.
KERNEL(TopK) {
  const Tensor& x = call.tensor();
  const int64_t k = call.integer();
  const auto [values, places] = at::sort(x, /*stable=*/true, /*dim=*/-1, /*descending=*/true);
  call.result(values.narrow(-1, 0, k).contiguous());
  call.result(places.narrow(-1, 0, k).to(at::kInt).contiguous());
}

// Sorted rows [b, n], values [b, m] -> places [b, m]; right: after equal elements.
KERNEL(SearchSorted) {
  const Tensor& rows = call.tensor();
  const Tensor& values = call.tensor();
  const bool right = call.flag();
  call.result(at::searchsorted(rows.contiguous(), values.contiguous(), /*out_int32=*/true, right));
}
