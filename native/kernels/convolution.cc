// Convolutions in TensorFlow.js's layout. An NHWC tensor *is* a channels-last NCHW tensor, so x and y are permuted
// views and no pixel moves; filters (HWIO, small) are laid out anew for each call.
//
// Geometry arrives explicit from TypeScript: strides, zeros before each spatial axis, output sizes, dilations.
// Where the zeros after an axis equal those before it ATen pads by itself; other cases pad first.
#include "convolution.h"

#include "../core/rows.h"

namespace mimicsr {

using at::Tensor;

Window read_window(Call& call) {
  Window window;
  window.strides = call.integers();
  window.before = call.integers();
  window.out = call.integers();
  window.dilations = call.integers();
  return window;
}

Tensor channels_first(const at::Tensor& x) { return x.permute({0, 3, 1, 2}); }

Tensor channels_last(const at::Tensor& x) { return x.permute({0, 2, 3, 1}); }

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

Tensor pad(const Tensor& x, const Sizes& amounts, double value) {
  Sizes wider(amounts), cut(amounts);
  for (int64_t& amount : wider) amount = std::max<int64_t>(amount, 0);
  for (int64_t& amount : cut) amount = std::min<int64_t>(amount, 0);
  // One after the other: ATen cuts first, and what is cut may be longer than x alone.
  const Tensor wide = wider == Sizes(wider.size(), 0) ? x : at::constant_pad_nd(x, wider, value);
  return cut == Sizes(cut.size(), 0) ? wide : at::constant_pad_nd(wide, cut);
}

Tensor unpad(const Tensor& padded, const Sizes& amounts) {
  Sizes undo;
  for (const int64_t amount : amounts) undo.push_back(-amount);
  return pad(padded, undo, 0);
}

}  // namespace mimicsr

using namespace mimicsr;
using at::Tensor;

namespace {

constexpr int64_t kLargestFilter = 128 * 1024;  // elements of a filter that stay in cache beside rows of the picture
constexpr int64_t kLargestPacked = 512 * 512;  // elements of a matrix that stay in cache

const Sizes kNone{0, 0};

// HWIO to OIHW, in channels-last memory, and back.
Tensor filter_first(const Tensor& w) { return w.permute({3, 2, 0, 1}).contiguous(at::MemoryFormat::ChannelsLast); }

Tensor filter_last(const Tensor& w) { return w.permute({2, 3, 1, 0}).contiguous(); }

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
    return at::convolution(x, w, bias, window.strides, window.before, window.dilations, false, kNone, groups);
  }
  const Tensor padded = pad(x, pad_amounts(window, in, kernel), 0);
  return at::convolution(padded, w, bias, window.strides, kNone, window.dilations, false, kNone, groups);
}

// Gradients to x and w as wanted; the others are undefined tensors.
std::pair<Tensor, Tensor> backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Window& window,
                                   int64_t groups, bool to_x, bool to_w) {
  const auto in = x.sizes().slice(2), kernel = w.sizes().slice(2);
  const bool plain = symmetric(window, in, kernel);
  const Sizes amounts = plain ? Sizes() : pad_amounts(window, in, kernel);
  const Tensor source = plain ? x : pad(x, amounts, 0);
  auto [dx, dw, db] = at::convolution_backward(dy, source, w, {}, window.strides, plain ? window.before : kNone,
                                               window.dilations, false, kNone, groups, {to_x, to_w, false});
  if (to_x && !plain) dx = unpad(dx, amounts);
  return {dx, dw};
}

// Stands for a tensor whose sizes matter and whose values do not.
Tensor blank(const Sizes& shape, const Tensor& like) { return at::empty(shape, like.options()); }

// Whether maps of these sizes leave a convolution nothing to sum: no outputs, or no inputs. ATen refuses most of these.
bool nothing(at::IntArrayRef x, at::IntArrayRef y) {
  return c10::multiply_integers(x) == 0 || c10::multiply_integers(y) == 0;
}

// Filters that fit x, and a bias that fits them: the loops trust these sizes. TensorFlow.js checks some, src/ops all.
void check_sizes(const Tensor& x, const Tensor& w, const Tensor& bias, int64_t outputs) {
  TORCH_CHECK(x.size(3) == w.size(2), "the filter is of ", w.size(2), " channels, the input of ", x.size(3));
  TORCH_CHECK(!bias.defined() || bias.numel() == outputs, "the bias is of ", bias.numel(), " channels, the output of ",
              outputs);
}

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

namespace {

using loops::Act;

// The loops know three activations; the rest are applied afterwards.
bool in_loops(Activation activation) {
  return activation == Activation::kLinear || activation == Activation::kRelu || activation == Activation::kLeakyRelu;
}

Act act_of(Activation activation) {
  return activation == Activation::kRelu        ? Act::kRelu
         : activation == Activation::kLeakyRelu ? Act::kLeakyRelu
                                                : Act::kNone;
}

// A 1x1 convolution is a product of all pixels with a small matrix.
bool is_linear(const Tensor& x, const Tensor& w, const Window& window) {
  if (!on_loops(x) || w.size(0) != 1 || w.size(1) != 1 || w.numel() > kLargestPacked) return false;
  for (size_t d = 0; d < 2; ++d) {
    if (window.strides[d] != 1 || window.before[d] != 0 || window.out[d] != x.size(1 + static_cast<int64_t>(d))) {
      return false;
    }
  }
  return true;
}

// w [k, n] (or its transpose) as the loops want it.
Tensor packed(const Tensor& w, bool transpose) {
  const int64_t k = w.size(transpose ? 1 : 0), n = w.size(transpose ? 0 : 1);
  const Tensor out = at::empty({k, loops::round_up(n, fast().lanes)}, w.options());
  fast().pack(data(w), w.stride(transpose ? 1 : 0), w.stride(transpose ? 0 : 1), k, n, out.data_ptr<float>());
  return out;
}

// A vector with zeros up to a whole number of lanes.
Tensor padded_vector(const Tensor& v) {
  const int64_t n = v.numel();
  return at::constant_pad_nd(v, {0, loops::round_up(n, fast().lanes) - n}).contiguous();
}

constexpr int64_t kRowsAtOnce = 128;  // rows of a product that stay in cache together

Tensor linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, Act act, float slope) {
  const RowView in = rows_of(x);
  const int64_t k = in.c, n = w.size(3);
  Sizes shape(x.sizes().begin(), x.sizes().end());
  shape.back() = n;
  const Tensor y = at::empty(shape, x.options());
  const Tensor matrix = packed(w.reshape({k, n}), false);
  const Tensor offset = bias.defined() ? padded_vector(bias) : Tensor();
  const int64_t grain = std::max<int64_t>(kRowsAtOnce, (1 << 18) / std::max<int64_t>(1, k * n));
  at::parallel_for(0, in.count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += kRowsAtOnce) {
      fast().linear(from_row(in, row), std::min(kRowsAtOnce, end - row), k, data(matrix), n, data(offset), act, slope,
                    out_rows(y, row));
    }
  });
  return y;
}

struct Gradients {
  Tensor x, w, bias;
};

// What the gradient of a convolution needs besides its geometry.
struct Wanted {
  bool x, w, bias;
};

// dx = d W^T, dW = x^T d, dbias = sum of d with d = dy act'(y), a stretch of rows at a time.
Gradients linear_backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& y, Act act, float slope,
                          Wanted wanted) {
  const RowView in = rows_of(x), gradient = rows_of(dy), out = y.defined() ? rows_of(y) : gradient;
  const int64_t k = in.c, n = w.size(3);
  const int64_t width = loops::round_up(n, fast().lanes);
  Gradients result;
  if (wanted.x) result.x = at::empty(x.sizes(), x.options());
  const Tensor matrix = wanted.x ? packed(w.reshape({k, n}), true) : Tensor();
  const Parts parts(in.count, kRowsAtOnce * 4, 32);
  const Tensor dw = wanted.w ? at::zeros({parts.number, k, width}, x.options()) : Tensor();
  const Tensor dbias = wanted.bias ? at::zeros({parts.number, n}, x.options()) : Tensor();
  parallel_parts(parts.number, [&](int64_t part) {
    const Tensor stretch = at::empty({kRowsAtOnce, width}, x.options());
    float* d = stretch.data_ptr<float>();
    for (int64_t row = parts.begin(part); row < parts.end(part); row += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, parts.end(part) - row);
      fast().activation_grad(from_row(gradient, row), from_row(out, row), count, n, act, slope, d,
                             wanted.bias ? dbias.data_ptr<float>() + part * n : nullptr);
      if (wanted.x) fast().linear({d, width}, count, n, data(matrix), k, nullptr, Act::kNone, 0, out_rows(result.x, row));
      if (wanted.w) {
        fast().linear_filter_grad(from_row(in, row), d, count, k, n, dw.data_ptr<float>() + part * k * width);
      }
    }
  });
  if (wanted.w) result.w = dw.sum(0).narrow(1, 0, n).reshape(w.sizes()).contiguous();
  if (wanted.bias) result.bias = dbias.sum(0);
  return result;
}

// Whether the loops run a dense convolution: its filter stays in cache beside the rows.
bool conv_in_loops(const Tensor& x, at::IntArrayRef w, const Window& window) {
  if (!on_loops(x)) return false;
  const int64_t elements = w[0] * w[1] * w[2] * loops::round_up(w[3], fast().lanes);
  // Beyond 3x3 taps oneDNN's blocking pays sooner.
  const int64_t largest = w[0] * w[1] <= 9 ? kLargestFilter : kLargestFilter / 2;
  return elements <= largest && (w[0] - 1) * window.dilations[0] < loops::kMostReach;
}

loops::Conv conv_of(at::IntArrayRef filter, const Window& window) {
  return {filter[2],         filter[3],        filter[0],        filter[1],           window.strides[0],
          window.strides[1], window.before[0], window.before[1], window.dilations[0], window.dilations[1]};
}

// [kh, kw, c, n] as one matrix of kh kw c rows, packed.
Tensor packed_filter(const Tensor& w) { return packed(w.reshape({-1, w.size(3)}), false); }

Tensor conv_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window, Act act, float slope) {
  const MapView in = map_of(x);
  const auto g = conv_of(w.sizes(), window);
  const Tensor filter = packed_filter(w), offset = bias.defined() ? padded_vector(bias) : Tensor();
  const Tensor y = at::empty({x.size(0), window.out[0], window.out[1], g.n}, x.options());
  at::parallel_for(0, y.size(0) * y.size(1), 1, [&](int64_t begin, int64_t end) {
    const Tensor scratch = at::empty({fast().conv_scratch(g, y.size(2))}, x.options());
    fast().conv(g, in.map, data(filter), data(offset), act, slope, out_map(y), begin, end, scratch.data_ptr<float>());
  });
  return y;
}

// dx is a convolution of d with the turned and transposed filter, for stride 1.
Tensor conv_input_grad(const Tensor& d, at::IntArrayRef x_shape, const Tensor& w, const Window& window) {
  Window turned = window;
  const at::IntArrayRef kernel = w.sizes();
  for (size_t axis = 0; axis < 2; ++axis) {
    turned.before[axis] = (kernel[axis] - 1) * window.dilations[axis] - window.before[axis];
    turned.out[axis] = x_shape[axis + 1];
  }
  return conv_forward(d, w.flip({0, 1}).transpose(2, 3), Tensor(), turned, Act::kNone, 0);
}

Tensor conv_filter_grad(const Tensor& d, const Tensor& x, at::IntArrayRef filter, const Window& window) {
  const MapView in = map_of(x), gradient = map_of(d);
  const auto g = conv_of(filter, window);
  const int64_t width = loops::round_up(g.n, fast().lanes), size = g.kh * g.kw * g.c * width;
  const Parts parts(d.size(0) * d.size(1), 8, 16);
  const Tensor sums = at::zeros({parts.number, size}, x.options());
  parallel_parts(parts.number, [&](int64_t part) {
    const Tensor scratch = at::empty({fast().conv_scratch(g, d.size(2))}, x.options());
    fast().conv_filter_grad(g, in.map, gradient.map, sums.data_ptr<float>() + part * size, parts.begin(part),
                            parts.end(part), scratch.data_ptr<float>());
  });
  return sums.sum(0).reshape({g.kh, g.kw, g.c, width}).narrow(3, 0, g.n).contiguous();
}

bool unit_stride(const Window& window) { return window.strides[0] == 1 && window.strides[1] == 1; }

// d = dy act'(y), dense, and its sum over all pixels where wanted.
std::pair<Tensor, Tensor> before_activation(const Tensor& dy, const Tensor& y, Activation activation, float slope,
                                            bool with_sum) {
  if (!on_loops(dy)) {
    Tensor d = dy;
    if (activation != Activation::kLinear) {
      const double low = activation == Activation::kRelu ? 0 : slope;
      d = at::where(at::gt(y, 0), dy, dy.mul(low));
    }
    return {d, with_sum ? d.sum({0, 1, 2}) : Tensor()};
  }
  const RowView gradient = rows_of(dy);
  const bool plain = activation == Activation::kLinear;
  if (plain && !with_sum) return {dy, Tensor()};
  const Parts parts(gradient.count, 512, 32);
  const Tensor sums = with_sum ? at::zeros({parts.number, gradient.c}, dy.options()) : Tensor();
  if (plain) {
    parallel_parts(parts.number, [&](int64_t part) {
      fast().column_sums(from_row(gradient, parts.begin(part)), parts.end(part) - parts.begin(part), gradient.c,
                         sums.data_ptr<float>() + part * gradient.c);
    });
    return {dy, sums.sum(0)};
  }
  const RowView out = rows_of(y);
  const Tensor d = at::empty(dy.sizes(), dy.options());
  parallel_parts(parts.number, [&](int64_t part) {
    const int64_t begin = parts.begin(part);
    fast().scale_by_activation(from_row(gradient, begin), from_row(out, begin), parts.end(part) - begin, gradient.c,
                               act_of(activation), slope, d.data_ptr<float>() + begin * gradient.c,
                               with_sum ? sums.data_ptr<float>() + part * gradient.c : nullptr);
  });
  return {d, with_sum ? sums.sum(0) : Tensor()};
}

// What a convolution and its gradients are where there is nothing to sum.
Tensor bias_alone(const Sizes& shape, const Tensor& x, const Tensor& bias, Activation activation, double slope,
                  const Tensor& prelu) {
  Tensor y = at::zeros(shape, x.options());
  if (bias.defined()) y.add_(bias);
  activate(y, activation, slope, prelu);
  return y;
}

Gradients bias_gradient_alone(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& y,
                              Activation activation, float slope, Wanted wanted) {
  return {at::zeros(x.sizes(), x.options()), at::zeros(w.sizes(), w.options()),
          before_activation(dy, y, activation, slope, wanted.bias).second};
}

loops::Depthwise depthwise_of(const Tensor& w, const Window& window) {
  return {w.size(2),         w.size(0),        w.size(1),        window.strides[0],   window.strides[1],
          window.before[0],  window.before[1], window.dilations[0], window.dilations[1]};
}

bool depthwise_in_loops(const Tensor& x, const Tensor& w) { return on_loops(x) && w.size(3) == 1; }

constexpr int64_t kRowGrain = 8;  // rows of a map that are worth a thread

Tensor depthwise_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window, Act act,
                         float slope) {
  const MapView in = map_of(x);
  const Tensor filter = w.contiguous(), offset = bias.defined() ? bias.contiguous() : bias;
  const Tensor y = at::empty({x.size(0), window.out[0], window.out[1], x.size(3)}, x.options());
  const auto g = depthwise_of(w, window);
  at::parallel_for(0, y.size(0) * y.size(1), kRowGrain, [&](int64_t begin, int64_t end) {
    fast().depthwise(g, in.map, data(filter), data(offset), act, slope, out_map(y), begin, end);
  });
  return y;
}

Gradients depthwise_backward(const Tensor& d, at::IntArrayRef x_shape, const Tensor& x, const Tensor& w,
                             const Window& window, Wanted wanted) {
  const MapView gradient = map_of(d);
  const auto g = depthwise_of(w, window);
  Gradients result;
  if (wanted.x) {
    result.x = at::empty(x_shape, d.options());
    const bool unit = g.stride_h == 1 && g.stride_w == 1;
    const auto turned = [&] {
      auto t = g;
      t.pad_h = (g.kh - 1) * g.dilation_h - g.pad_h;
      t.pad_w = (g.kw - 1) * g.dilation_w - g.pad_w;
      return t;
    }();
    const Tensor filter = unit ? w.flip({0, 1}).contiguous() : w.contiguous();
    at::parallel_for(0, x_shape[0] * x_shape[1], kRowGrain, [&](int64_t begin, int64_t end) {
      if (unit) {
        fast().depthwise(turned, gradient.map, data(filter), nullptr, Act::kNone, 0, out_map(result.x), begin, end);
      } else {
        fast().depthwise_input_grad(g, gradient.map, data(filter), out_map(result.x), begin, end);
      }
    });
  }
  if (wanted.w || wanted.bias) {
    const MapView in = map_of(x);
    const Parts parts(d.size(0) * d.size(1), kRowGrain, 32);
    const int64_t taps = w.numel();
    const Tensor sums = at::zeros({parts.number, taps + g.c}, d.options());
    parallel_parts(parts.number, [&](int64_t part) {
      float* to = sums.data_ptr<float>() + part * (taps + g.c);
      fast().depthwise_filter_grad(g, in.map, gradient.map, to, wanted.bias ? to + taps : nullptr, parts.begin(part),
                                   parts.end(part));
    });
    const Tensor total = sums.sum(0);
    result.w = total.narrow(0, 0, taps).reshape(w.sizes());
    if (wanted.bias) result.bias = total.narrow(0, taps, g.c);
  }
  return result;
}

}  // namespace

// x [B, H, W, C], filter [h, w, C, O], optional bias [O], activation -> [B, H', W', O].
KERNEL(Conv) {
  const Tensor& x = call.tensor();
  const Tensor& w = call.tensor();
  const Tensor bias = call.optional_tensor();
  const Window window = read_window(call);
  const auto activation = static_cast<Activation>(call.integer());
  const double slope = call.number();
  const Tensor prelu = call.optional_tensor();
  check_sizes(x, w, bias, w.size(3));
  const Sizes out{x.size(0), window.out[0], window.out[1], w.size(3)};
  if (nothing(x.sizes(), out)) return call.result(bias_alone(out, x, bias, activation, slope, prelu));
  if (is_linear(x, w, window) && in_loops(activation)) {
    return call.result(linear_forward(x, w, bias, act_of(activation), static_cast<float>(slope)));
  }
  if (conv_in_loops(x, w.sizes(), window) && in_loops(activation)) {
    return call.result(conv_forward(x, w, bias, window, act_of(activation), static_cast<float>(slope)));
  }
  Tensor y = channels_last(forward(channels_first(x), filter_first(w), bias, window, 1));
  activate(y, activation, slope, prelu);
  call.result(y);
}

KERNEL(ConvBackpropInput) {
  const Tensor& dy = call.tensor();
  const Tensor& w = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  if (nothing(shape, dy.sizes())) return call.result(at::zeros(shape, dy.options()));
  if (conv_in_loops(dy, w.sizes(), window) && unit_stride(window)) {
    return call.result(conv_input_grad(dy, shape, w, window));
  }
  const Tensor x = channels_first(blank(shape, dy));
  call.result(channels_last(backward(channels_first(dy), x, filter_first(w), window, 1, true, false).first));
}

KERNEL(ConvBackpropFilter) {
  const Tensor& x = call.tensor();
  const Tensor& dy = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  if (nothing(x.sizes(), dy.sizes())) return call.result(at::zeros(shape, dy.options()));
  if (conv_in_loops(dy, shape, window)) return call.result(conv_filter_grad(dy, x, shape, window));
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
  check_sizes(x, w, bias, w.size(2) * w.size(3));
  const Sizes out{x.size(0), window.out[0], window.out[1], w.size(2) * w.size(3)};
  if (nothing(x.sizes(), out)) return call.result(bias_alone(out, x, bias, activation, slope, prelu));
  if (depthwise_in_loops(x, w) && in_loops(activation)) {
    return call.result(depthwise_forward(x, w, bias, window, act_of(activation), static_cast<float>(slope)));
  }
  Tensor y = channels_last(forward(channels_first(x), depthwise_first(w), bias, window, x.size(3)));
  activate(y, activation, slope, prelu);
  call.result(y);
}

KERNEL(DepthwiseConvBackpropInput) {
  const Tensor& dy = call.tensor();
  const Tensor& w = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  if (nothing(shape, dy.sizes())) return call.result(at::zeros(shape, dy.options()));
  if (depthwise_in_loops(dy, w)) {
    return call.result(depthwise_backward(dy, shape, Tensor(), w, window, {true, false, false}).x);
  }
  const Tensor x = channels_first(blank(shape, dy));
  call.result(
      channels_last(backward(channels_first(dy), x, depthwise_first(w), window, shape[3], true, false).first));
}

KERNEL(DepthwiseConvBackpropFilter) {
  const Tensor& x = call.tensor();
  const Tensor& dy = call.tensor();
  const Sizes shape = call.integers();
  const Window window = read_window(call);
  if (nothing(x.sizes(), dy.sizes())) return call.result(at::zeros(shape, dy.options()));
  const Tensor like = blank(shape, dy);
  if (depthwise_in_loops(dy, like)) {
    return call.result(depthwise_backward(dy, x.sizes(), x, like, window, {false, true, false}).w);
  }
  const Tensor w = depthwise_first(like);
  const Tensor dw = backward(channels_first(dy), channels_first(x), w, window, x.size(3), false, true).second;
  call.result(depthwise_last(dw, shape[3]).contiguous());
}

// dy [B, H', W', O], x, filter, y (only with an activation) -> dx, dfilter, and dbias where wanted: all gradients of
// Conv with a linear, ReLU or leaky activation in one call.
KERNEL(ConvGrad) {
  const Tensor& dy = call.tensor();
  const Tensor& x = call.tensor();
  const Tensor& w = call.tensor();
  const Tensor y = call.optional_tensor();
  const Window window = read_window(call);
  const auto activation = static_cast<Activation>(call.integer());
  const auto slope = static_cast<float>(call.number());
  const Wanted wanted{true, true, call.flag()};
  Gradients result;
  if (nothing(x.sizes(), dy.sizes())) {
    result = bias_gradient_alone(dy, x, w, y, activation, slope, wanted);
  } else if (is_linear(x, w, window)) {
    result = linear_backward(dy, x, w, y, act_of(activation), slope, wanted);
  } else {
    const auto [d, sum] = before_activation(dy, y, activation, slope, wanted.bias);
    const bool in_loops = conv_in_loops(x, w.sizes(), window);
    const Tensor source = channels_first(x), gradient = channels_first(d);
    result.x = in_loops && unit_stride(window)
                   ? conv_input_grad(d, x.sizes(), w, window)
                   : channels_last(backward(gradient, source, filter_first(w), window, 1, true, false).first);
    result.w = in_loops ? conv_filter_grad(d, x, w.sizes(), window)
                        : filter_last(backward(gradient, source, filter_first(w).contiguous(), window, 1, false, true)
                                          .second);
    result.bias = sum;
  }
  call.result(result.x);
  call.result(result.w);
  if (wanted.bias) call.result(result.bias);
}

KERNEL(DepthwiseConvGrad) {
  const Tensor& dy = call.tensor();
  const Tensor& x = call.tensor();
  const Tensor& w = call.tensor();
  const Tensor y = call.optional_tensor();
  const Window window = read_window(call);
  const auto activation = static_cast<Activation>(call.integer());
  const auto slope = static_cast<float>(call.number());
  const Wanted wanted{true, true, call.flag()};
  Gradients result;
  if (nothing(x.sizes(), dy.sizes())) {
    result = bias_gradient_alone(dy, x, w, y, activation, slope, wanted);
  } else if (depthwise_in_loops(x, w)) {
    const Tensor d = before_activation(dy, y, activation, slope, false).first;
    result = depthwise_backward(d, x.sizes(), x, w, window, wanted);
  } else {
    const auto [d, sum] = before_activation(dy, y, activation, slope, wanted.bias);
    const auto [dx, dw] =
        backward(channels_first(d), channels_first(x), depthwise_first(w), window, x.size(3), true, true);
    result.x = channels_last(dx);
    result.w = depthwise_last(dw, w.size(3)).contiguous();
    result.bias = sum;
  }
  call.result(result.x);
  call.result(result.w);
  if (wanted.bias) call.result(result.bias);
}
