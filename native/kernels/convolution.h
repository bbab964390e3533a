// The sliding window that convolutions and pools share.
#pragma once

#include "../core/call.h"

namespace mimicsr {

// Rows, then columns.
struct Window {
  Sizes strides;
  Sizes before;  // zeros before the axis
  Sizes out;     // output sizes, which say how many zeros come after it
  Sizes dilations;
};

Window read_window(Call& call);

// NHWC <-> NCHW as views.
at::Tensor channels_first(const at::Tensor& x);
at::Tensor channels_last(const at::Tensor& x);

// Whether padding both ends with `before` gives the wanted output sizes.
bool symmetric(const Window& window, at::IntArrayRef in, at::IntArrayRef kernel);

// Otherwise: amounts before and after, last axis first. Negative amounts cut.
Sizes pad_amounts(const Window& window, at::IntArrayRef in, at::IntArrayRef kernel);
at::Tensor pad(const at::Tensor& x, const Sizes& amounts, double value);
// A gradient to what pad() made -> to what it was made of.
at::Tensor unpad(const at::Tensor& padded, const Sizes& amounts);

// Numbered as in src/engine/torch/kernels/convolution.ts.
enum class Activation : int { kLinear = 0, kRelu = 1, kRelu6 = 2, kElu = 3, kSigmoid = 4, kLeakyRelu = 5, kPrelu = 6 };

// y = activation(y), in place where ATen can.
void activate(at::Tensor& y, Activation activation, double slope, const at::Tensor& weights);

}  // namespace mimicsr
