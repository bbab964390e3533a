// Resizes of NHWC images. Both are separable and linear, so each is two gathers (or, transposed, two scatters) along
// rows and columns; the gradient kernels are the exact transposes for every coordinate rule.
// (TensorFlow.js's own gradients ignore half-pixel centres.)
#include <cmath>

#include "../core/call.h"

using namespace mimicsr;
using at::Tensor;

namespace {

enum class Grid { kCorner, kAlignCorners, kHalfPixel };

struct Resize {
  Grid grid;
  int64_t height, width;
};

Resize read_resize(Call& call) {
  const bool align = call.flag();
  const bool half = call.flag();
  const Sizes size = call.integers();
  return {half ? Grid::kHalfPixel : align ? Grid::kAlignCorners : Grid::kCorner, size[0], size[1]};
}

// Source position of output i. Half-pixel with align-corners does not occur (TensorFlow.js refuses it).
double scale_of(int64_t in, int64_t out, Grid grid) {
  return grid == Grid::kAlignCorners && out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1)
                                                : static_cast<double>(in) / static_cast<double>(out);
}

// The two source rows of each output row and the share of the second.
struct Taps {
  Tensor first, second, share;
};

Taps linear_taps(int64_t in, int64_t out, Grid grid, const Tensor& like) {
  Tensor first = at::empty({out}, at::TensorOptions(at::kCPU).dtype(at::kLong));
  Tensor second = at::empty_like(first);
  Tensor share = at::empty({out}, at::TensorOptions(at::kCPU).dtype(at::kFloat));
  const double scale = scale_of(in, out, grid);
  for (int64_t i = 0; i < out; ++i) {
    const double at = grid == Grid::kHalfPixel ? (static_cast<double>(i) + 0.5) * scale - 0.5 : static_cast<double>(i) * scale;
    const double inside = std::min(std::max(at, 0.0), static_cast<double>(in - 1));
    const auto low = static_cast<int64_t>(std::floor(inside));
    first.data_ptr<int64_t>()[i] = low;
    second.data_ptr<int64_t>()[i] = std::min(low + 1, in - 1);
    share.data_ptr<float>()[i] = static_cast<float>(inside - static_cast<double>(low));
  }
  return {first.to(like.device()), second.to(like.device()), share.to(like.device())};
}

Tensor nearest_taps(int64_t in, int64_t out, Grid grid, const Tensor& like) {
  Tensor index = at::empty({out}, at::TensorOptions(at::kCPU).dtype(at::kLong));
  const double scale = scale_of(in, out, grid);
  for (int64_t i = 0; i < out; ++i) {
    const double at = (grid == Grid::kHalfPixel ? static_cast<double>(i) + 0.5 : static_cast<double>(i)) * scale;
    const double whole = grid == Grid::kAlignCorners ? std::floor(at + 0.5) : std::floor(at);
    index.data_ptr<int64_t>()[i] = std::max<int64_t>(0, std::min(in - 1, static_cast<int64_t>(whole)));
  }
  return index.to(like.device());
}

// The share of the second tap, shaped to broadcast along `axis` of a rank-4 tensor.
Tensor along(const Tensor& share, int64_t axis) {
  Sizes shape{1, 1, 1, 1};
  shape[axis] = share.numel();
  return share.reshape(shape);
}

Tensor stretch(const Tensor& x, int64_t axis, int64_t out, Grid grid) {
  const Taps taps = linear_taps(x.size(axis), out, grid, x);
  return at::lerp(x.index_select(axis, taps.first), x.index_select(axis, taps.second), along(taps.share, axis));
}

Tensor stretch_transposed(const Tensor& dy, int64_t axis, int64_t in, Grid grid) {
  const Taps taps = linear_taps(in, dy.size(axis), grid, dy);
  Sizes shape(dy.sizes().begin(), dy.sizes().end());
  shape[axis] = in;
  const Tensor second = dy.mul(along(taps.share, axis));
  return at::zeros(shape, dy.options())
      .index_add(axis, taps.first, dy.sub(second))
      .index_add(axis, taps.second, second);
}

}  // namespace

// images [B, h, w, C] -> [B, H, W, C].
KERNEL(ResizeBilinear) {
  const Tensor x = call.tensor().to(at::kFloat);
  const Resize to = read_resize(call);
  call.result(stretch(stretch(x, 1, to.height, to.grid), 2, to.width, to.grid));
}

// dy [B, H, W, C], sizes h and w -> [B, h, w, C].
KERNEL(ResizeBilinearGrad) {
  const Tensor& dy = call.tensor();
  const Resize from = read_resize(call);
  call.result(stretch_transposed(stretch_transposed(dy, 2, from.width, from.grid), 1, from.height, from.grid));
}

KERNEL(ResizeNearestNeighbor) {
  const Tensor& x = call.tensor();
  const Resize to = read_resize(call);
  const Tensor rows = x.index_select(1, nearest_taps(x.size(1), to.height, to.grid, x));
  call.result(rows.index_select(2, nearest_taps(x.size(2), to.width, to.grid, x)));
}

KERNEL(ResizeNearestNeighborGrad) {
  const Tensor& dy = call.tensor();
  const Resize from = read_resize(call);
  const Tensor columns = at::zeros({dy.size(0), dy.size(1), from.width, dy.size(3)}, dy.options())
                             .index_add(2, nearest_taps(from.width, dy.size(2), from.grid, dy), dy);
  call.result(at::zeros({dy.size(0), from.height, from.width, dy.size(3)}, dy.options())
                  .index_add(1, nearest_taps(from.height, dy.size(1), from.grid, dy), columns));
}
