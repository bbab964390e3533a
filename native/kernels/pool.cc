// Max and average pooling. Padding never wins a maximum and is not counted in an average.
// Gradients are the true transposes of the forward kernels: TensorFlow.js's own average gradient divides by the full
// window at a padded border although its forward kernel does not.
#include <limits>

#include "convolution.h"

using namespace mimicsr;
using at::Tensor;

namespace {

const Sizes kNoPadding{0, 0};

struct Pool {
  Sizes kernel;
  Window window;
};

Pool read_pool(Call& call) {
  Pool pool;
  pool.kernel = call.integers();
  pool.window = read_window(call);
  return pool;
}

// Pads explicitly with `value`; every pool below then runs without padding of its own, since ATen's pools refuse
// padding wider than half a window.
Tensor padded(const Tensor& x, const Pool& pool, double value) {
  return pad(x, pad_amounts(pool.window, x.sizes().slice(2), pool.kernel), value);
}

Tensor unpadded(const Tensor& dx, const Tensor& x, const Pool& pool) {
  return unpad(dx, pad_amounts(pool.window, x.sizes().slice(2), pool.kernel));
}

double lowest(const Tensor& x) {
  return x.is_floating_point() ? -std::numeric_limits<double>::infinity() : std::numeric_limits<int32_t>::min();
}

// Maximum and its place, in the padded map.
std::pair<Tensor, Tensor> max_pool(const Tensor& x, const Pool& pool) {
  const Tensor source = padded(x, pool, lowest(x));
  auto [y, places] =
      at::max_pool2d_with_indices(source, pool.kernel, pool.window.strides, kNoPadding, pool.window.dilations);
  return {y, places};
}

// Sums over the windows of a padded map.
Tensor window_sums(const Tensor& x, const Pool& pool) {
  return at::avg_pool2d(x, pool.kernel, pool.window.strides, kNoPadding, false, true, /*divisor_override=*/1);
}

// How many true pixels each window covers, [1, 1, ...out].
Tensor counts(const Tensor& x, const Pool& pool) {
  Sizes shape(x.sizes().begin(), x.sizes().end());
  shape[0] = shape[1] = 1;
  const Tensor ones = padded(at::ones(shape, x.options()), pool, 0);
  return window_sums(ones, pool);
}

}  // namespace

KERNEL(MaxPool) {
  const Tensor x = channels_first(call.tensor());
  call.result(channels_last(max_pool(x, read_pool(call)).first));
}

KERNEL(MaxPoolGrad) {
  const Tensor dy = channels_first(call.tensor());
  const Tensor x = channels_first(call.tensor());
  const Pool pool = read_pool(call);
  const Tensor places = max_pool(x, pool).second;
  // Scatter by hand: one place per output, in the padded map.
  const Tensor source = padded(x, pool, lowest(x));
  const int64_t planes = x.size(0) * x.size(1);
  const Tensor dx = at::zeros({planes, source.numel() / std::max<int64_t>(planes, 1)}, dy.options())
                        .scatter_add(1, places.reshape({planes, -1}), dy.reshape({planes, -1}))
                        .reshape(source.sizes());
  call.result(channels_last(unpadded(dx, x, pool)).contiguous());
}

// Also the place of each maximum: (y * width + x) * channels + channel, plus the batch offset if wanted.
KERNEL(MaxPoolWithArgmax) {
  const Tensor x = channels_first(call.tensor());
  const Pool pool = read_pool(call);
  const bool with_batch = call.flag();
  auto [y, places] = max_pool(x, pool);
  const auto amounts = pad_amounts(pool.window, x.sizes().slice(2), pool.kernel);
  const int64_t padded_width = x.size(3) + amounts[0] + amounts[1];
  const Tensor row = places.div(padded_width, "floor").sub(amounts[2]);
  const Tensor column = places.remainder(padded_width).sub(amounts[0]);
  const auto index = places.options();
  Tensor flat = row.mul(x.size(3)).add(column).mul(x.size(1)).add(at::arange(x.size(1), index).reshape({1, -1, 1, 1}));
  if (with_batch) {
    flat = flat.add(at::arange(x.size(0), index).mul(x.size(1) * x.size(2) * x.size(3)).reshape({-1, 1, 1, 1}));
  }
  call.result(channels_last(y));
  call.result(channels_last(flat).to(at::kInt).contiguous());
}

KERNEL(AvgPool) {
  const Tensor x = channels_first(call.tensor()).to(at::kFloat);
  const Pool pool = read_pool(call);
  call.result(channels_last(window_sums(padded(x, pool, 0), pool).div(counts(x, pool))));
}

KERNEL(AvgPoolGrad) {
  const Tensor dy = channels_first(call.tensor());
  const Tensor x = channels_first(call.tensor());
  const Pool pool = read_pool(call);
  const Tensor shared = dy.div(counts(x, pool));
  const Tensor dx = at::avg_pool2d_backward(shared, padded(x, pool, 0), pool.kernel, pool.window.strides, kNoPadding,
                                            false, true, /*divisor_override=*/1);
  call.result(channels_last(unpadded(dx, x, pool)));
}
