// Max and average pooling, 2-D and 3-D. Padding never wins a maximum and is not counted in an average.
// Gradients are the true transposes of the forward kernels: TensorFlow.js's own average gradient divides by the full
// window at a padded border although its forward kernel does not.
#include <limits>

#include "convolution.h"

using namespace mimicsr;
using at::Tensor;

namespace {

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
  const Sizes amounts = pad_amounts(pool.window, x.sizes().slice(2), pool.kernel);
  for (const int64_t amount : amounts) {
    if (amount != 0) return at::constant_pad_nd(x, amounts, value);
  }
  return x;
}

Tensor unpadded(const Tensor& dx, const Tensor& x, const Pool& pool) {
  Sizes undo;
  for (const int64_t amount : pad_amounts(pool.window, x.sizes().slice(2), pool.kernel)) undo.push_back(-amount);
  return at::constant_pad_nd(dx, undo);
}

double lowest(const Tensor& x) {
  return x.is_floating_point() ? -std::numeric_limits<double>::infinity() : std::numeric_limits<int32_t>::min();
}

// Maximum and its place, in the padded map.
std::pair<Tensor, Tensor> max_pool(const Tensor& x, const Pool& pool) {
  const Sizes zero(pool.kernel.size(), 0);
  const Tensor source = padded(x, pool, lowest(x));
  auto [y, places] = pool.kernel.size() == 2
                         ? at::max_pool2d_with_indices(source, pool.kernel, pool.window.strides, zero,
                                                       pool.window.dilations)
                         : at::max_pool3d_with_indices(source, pool.kernel, pool.window.strides, zero,
                                                       pool.window.dilations);
  return {y, places};
}

// How many true pixels each window covers, [1, 1, ...out].
Tensor counts(const Tensor& x, const Pool& pool) {
  Sizes shape(x.sizes().begin(), x.sizes().end());
  shape[0] = shape[1] = 1;
  const Tensor ones = padded(at::ones(shape, x.options()), pool, 0);
  const Sizes zero(pool.kernel.size(), 0);
  return pool.kernel.size() == 2
             ? at::avg_pool2d(ones, pool.kernel, pool.window.strides, zero, false, true, /*divisor_override=*/1)
             : at::avg_pool3d(ones, pool.kernel, pool.window.strides, zero, false, true, 1);
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
    flat = flat.add(at::arange(x.size(0), index).mul(x.numel() / x.size(0)).reshape({-1, 1, 1, 1}));
  }
  call.result(channels_last(y));
  call.result(channels_last(flat).to(at::kInt).contiguous());
}

KERNEL(AvgPool) {
  const Tensor x = channels_first(call.tensor()).to(at::kFloat);
  const Pool pool = read_pool(call);
  const Sizes zero(pool.kernel.size(), 0);
  const Tensor source = padded(x, pool, 0);
  const Tensor sums =
      pool.kernel.size() == 2
          ? at::avg_pool2d(source, pool.kernel, pool.window.strides, zero, false, true, /*divisor_override=*/1)
          : at::avg_pool3d(source, pool.kernel, pool.window.strides, zero, false, true, 1);
  call.result(channels_last(sums.div(counts(x, pool))));
}

KERNEL(AvgPoolGrad) {
  const Tensor dy = channels_first(call.tensor());
  const Tensor x = channels_first(call.tensor());
  const Pool pool = read_pool(call);
  const Sizes zero(pool.kernel.size(), 0);
  const Tensor shared = dy.div(counts(x, pool));
  const Tensor source = padded(x, pool, 0);
  const Tensor dx =
      pool.kernel.size() == 2
          ? at::avg_pool2d_backward(shared, source, pool.kernel, pool.window.strides, zero, false, true, 1)
          : at::avg_pool3d_backward(shared, source, pool.kernel, pool.window.strides, zero, false, true, 1);
  call.result(channels_last(unpadded(dx, x, pool)));
}
