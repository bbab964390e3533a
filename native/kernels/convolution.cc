// Convolutions in TensorFlow.js's layout. An NHWC tensor *is* a channels-last NCHW tensor, so x and y are permuted
// views and no pixel moves; filters (HWIO, small) are laid out anew for each call.
//
// Geometry arrives explicit from TypeScript: strides, zeros before each spatial axis, output sizes, dilations.
// Where the zeros after an axis equal those before it ATen pads by itself; other cases pad first.
#include "convolution.h"

namespace mimicsr {

Window read_window(Call& call) {
  Window window;
  window.strides = call.integers();
  window.before = call.integers();
  window.out = call.integers();
  window.dilations = call.integers();
  return window;
}

at::Tensor channels_first(const at::Tensor& x) {
  return x.dim() == 4 ? x.permute({0, 3, 1, 2}) : x.permute({0, 4, 1, 2, 3});
}

at::Tensor channels_last(const at::Tensor& x) {
  return x.dim() == 4 ? x.permute({0, 2, 3, 1}) : x.permute({0, 2, 3, 4, 1});
}

bool symmetric(const Window& window, at::IntArrayRef in, at::IntArrayRef kernel) {
  for (size_t d = 0; d < window.out.size(); ++d) {
    const int64_t span = (kernel[d] - 1) * window.dilations[d] + 1;
    const int64_t room = in[d] + 2 * window.before[d] - span;
    if (room < 0 || room / window.strides[d] + 1 != window.out[d]) return false;
  }
  return true;
}

Sizes pad_amounts(const Window& window, at::IntArrayRef in, at::IntArrayRef kernel) {
  Sizes amounts;
  for (size_t d = window.out.size(); d-- > 0;) {
    const int64_t span = (kernel[d] - 1) * window.dilations[d] + 1;
    const int64_t needed = (window.out[d] - 1) * window.strides[d] + span;
    amounts.push_back(window.before[d]);
    amounts.push_back(needed - in[d] - window.before[d]);
  }
  return amounts;
}

}  // namespace mimicsr

using namespace mimicsr;
using at::Tensor;

namespace {

const Sizes kNone2{0, 0};
const Sizes kNone3{0, 0, 0};
const Sizes& none(const Window& window) { return window.out.size() == 2 ? kNone2 : kNone3; }

at::MemoryFormat dense_channels_last(const Tensor& x) {
  return x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d;
}

// HWIO (or DHWIO) to OIHW, in channels-last memory.
Tensor filter_first(const Tensor& w) {
  const Tensor oihw = w.dim() == 4 ? w.permute({3, 2, 0, 1}) : w.permute({4, 3, 0, 1, 2});
  return oihw.contiguous(dense_channels_last(w));
}

Tensor filter_last(const Tensor& w) {
  return (w.dim() == 4 ? w.permute({2, 3, 1, 0}) : w.permute({2, 3, 4, 1, 0})).contiguous();
}

// HWIM (M outputs per input channel) to the grouped (I*M, 1, H, W).
Tensor depthwise_first(const Tensor& w) {
  return w.reshape({w.size(0), w.size(1), 1, w.size(2) * w.size(3)})
      .permute({3, 2, 0, 1})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

Tensor depthwise_last(const Tensor& w, int64_t multiplier) {
  return w.permute({2, 3, 0, 1}).reshape({w.size(2), w.size(3), w.size(0) / multiplier, multiplier});
}

// x and w in ATen's layout.
Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window, int64_t groups) {
  const auto in = x.sizes().slice(2), kernel = w.sizes().slice(2);
  if (symmetric(window, in, kernel)) {
    return at::convolution(x, w, bias, window.strides, window.before, window.dilations, false, none(window), groups);
  }
  const Tensor padded = at::constant_pad_nd(x, pad_amounts(window, in, kernel));
  return at::convolution(padded, w, bias, window.strides, none(window), window.dilations, false, none(window), groups);
}

// Gradients to x and w as wanted; the others are undefined tensors.
std::pair<Tensor, Tensor> backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Window& window,
                                   int64_t groups, bool to_x, bool to_w) {
  const auto in = x.sizes().slice(2), kernel = w.sizes().slice(2);
  const bool plain = symmetric(window, in, kernel);
  const Sizes amounts = plain ? Sizes() : pad_amounts(window, in, kernel);
  const Tensor source = plain ? x : at::constant_pad_nd(x, amounts);
  auto [dx, dw, db] = at::convolution_backward(dy, source, w, {}, window.strides, plain ? window.before : none(window),
                                               window.dilations, false, none(window), groups, {to_x, to_w, false});
  if (to_x && !plain) {
    Sizes undo;
    for (const int64_t amount : amounts) undo.push_back(-amount);
    dx = at::constant_pad_nd(dx, undo);
  }
  return {dx, dw};
}

// Stands for a tensor whose sizes matter and whose values do not.
Tensor blank(const Sizes& shape, const Tensor& like) { return at::empty(shape, like.options()); }

}  // namespace

namespace mimicsr {

void activate(Tensor& y, Activation activation, double slope, const Tensor& weights) {
  switch (activation) {
    case Activation::kLinear:
      return;
    case Activation::kRelu:
      y.relu_();
      return;
    case Activation::kRelu6:
      y.clamp_(0, 6);
      return;
    case Activation::kElu:
      at::elu_(y);
      return;
    case Activation::kSigmoid:
      y.sigmoid_();
      return;
    case Activation::kLeakyRelu:
      at::leaky_relu_(y, slope);
      return;
    case Activation::kPrelu:
      y = at::where(at::lt(y, 0), at::mul(y, weights), y);
      return;
  }
  throw std::runtime_error("unknown activation");
}

}  // namespace mimicsr

// x [B, H, W, C], filter [h, w, C, O], optional bias [O], activation -> [B, H', W', O]; with a depth axis for 3-D.
KERNEL(Conv) {
  const Tensor& x = call.tensor();
  const Tensor& w = call.tensor();
  const Tensor bias = call.optional_tensor();
  const Window window = read_window(call);
  const auto activation = static_cast<Activation>(call.integer());
  const double slope = call.number();
  const Tensor prelu = call.optional_tensor();
  Tensor y = channels_last(forward(channels_first(x), filter_first(w), bias, window, 1));
  activate(y, activation, slope, prelu);
  call.result(y);
}

KERNEL(ConvBackpropInput) {
  const Tensor& dy = call.tensor();
  const Tensor& w = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  const Tensor x = channels_first(blank(shape, dy));
  call.result(channels_last(backward(channels_first(dy), x, filter_first(w), window, 1, true, false).first));
}

KERNEL(ConvBackpropFilter) {
  const Tensor& x = call.tensor();
  const Tensor& dy = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  // Where ATen runs its own kernel (one small picture) it wants a dense weight; oneDNN looks at x only.
  const Tensor w = filter_first(blank(shape, dy)).contiguous();
  call.result(filter_last(backward(channels_first(dy), channels_first(x), w, window, 1, false, true).second));
}

// x [B, H, W, C], filter [h, w, C, M] -> [B, H', W', C*M].
KERNEL(DepthwiseConv) {
  const Tensor& x = call.tensor();
  const Tensor& w = call.tensor();
  const Tensor bias = call.optional_tensor();
  const Window window = read_window(call);
  const auto activation = static_cast<Activation>(call.integer());
  const double slope = call.number();
  const Tensor prelu = call.optional_tensor();
  Tensor y = channels_last(forward(channels_first(x), depthwise_first(w), bias, window, x.size(3)));
  activate(y, activation, slope, prelu);
  call.result(y);
}

KERNEL(DepthwiseConvBackpropInput) {
  const Tensor& dy = call.tensor();
  const Tensor& w = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  const Tensor x = channels_first(blank(shape, dy));
  call.result(
      channels_last(backward(channels_first(dy), x, depthwise_first(w), window, shape[3], true, false).first));
}

KERNEL(DepthwiseConvBackpropFilter) {
  const Tensor& x = call.tensor();
  const Tensor& dy = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  const Tensor w = depthwise_first(blank(shape, dy));
  const Tensor dw = backward(channels_first(dy), channels_first(x), w, window, x.size(3), false, true).second;
  call.result(depthwise_last(dw, shape[3]).contiguous());
}
