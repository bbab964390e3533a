// Shape kernels. Reshape, transpose and slices are views of the same storage wherever strides can say it;
// whoever needs dense memory asks for it (`contiguous`).
#include "../core/call.h"

using namespace mimicsr;
using at::Tensor;

KERNEL(Reshape) {
  const Tensor& x = call.tensor();
  call.result(x.reshape(call.integers()));
}

KERNEL(Transpose) {
  const Tensor& x = call.tensor();
  call.result(x.permute(call.integers()));
}

// begin, size, strides per axis; a negative stride runs backwards.
KERNEL(Slice) {
  Tensor x = call.tensor();
  const Sizes begin = call.integers();
  const Sizes size = call.integers();
  const Sizes strides = call.integers();
  const auto rank = static_cast<size_t>(x.dim());
  TORCH_CHECK(begin.size() == rank && size.size() == rank && (strides.empty() || strides.size() == rank),
              "begin, size and strides need one entry per axis");
  for (int64_t d = 0; d < x.dim(); ++d) {
    const int64_t stride = strides.empty() ? 1 : strides[d];
    if (size[d] == 0) {
      x = x.narrow(d, 0, 0);
    } else if (stride > 0) {
      if (begin[d] != 0 || stride != 1 || size[d] != x.size(d)) {
        x = x.slice(d, begin[d], begin[d] + (size[d] - 1) * stride + 1, stride);
      }
    } else {
      const int64_t lowest = begin[d] + (size[d] - 1) * stride;
      x = x.slice(d, lowest, begin[d] + 1, -stride).flip(d);
    }
  }
  call.result(x);
}

KERNEL(Concat) {
  const auto parts = call.tensors();
  call.result(at::cat(parts, call.integer()));
}

KERNEL(Pack) {
  const auto parts = call.tensors();
  call.result(at::stack(parts, call.integer()));
}

KERNEL(Unpack) {
  const Tensor& x = call.tensor();
  for (const Tensor& part : x.unbind(call.integer())) call.result(part);
}

KERNEL(SplitV) {
  const Tensor& x = call.tensor();
  const Sizes sizes = call.integers();
  const int64_t axis = call.integer();
  int64_t at = 0;
  for (const int64_t size : sizes) {
    call.result(x.narrow(axis, at, size));
    at += size;
  }
}

KERNEL(Tile) {
  const Tensor& x = call.tensor();
  call.result(x.repeat(call.integers()));
}

KERNEL(Reverse) {
  const Tensor& x = call.tensor();
  call.result(x.flip(call.integers()));
}

// paddings as [before, after] per axis, first axis first (ATen wants the last axis first).
static Sizes last_axis_first(const Sizes& paddings) {
  Sizes list;
  for (size_t axis = paddings.size() / 2; axis-- > 0;) {
    list.push_back(paddings[2 * axis]);
    list.push_back(paddings[2 * axis + 1]);
  }
  return list;
}

KERNEL(PadV2) {
  const Tensor& x = call.tensor();
  const Sizes paddings = call.integers();
  call.result(at::constant_pad_nd(x, last_axis_first(paddings), call.number()));
}

// Mirrors each padded axis by gathering: reflect leaves the edge out (offset 0), symmetric repeats it (offset 1).
KERNEL(MirrorPad) {
  Tensor x = call.tensor();
  const Sizes paddings = call.integers();
  const int64_t offset = call.integer();
  TORCH_CHECK(paddings.size() == 2 * static_cast<size_t>(x.dim()), "paddings need two entries per axis");
  for (int64_t d = 0; d < x.dim(); ++d) {
    const int64_t before = paddings[2 * d], after = paddings[2 * d + 1], size = x.size(d);
    if (before == 0 && after == 0) continue;
    Tensor index = at::empty({before + size + after}, at::TensorOptions(at::kCPU).dtype(at::kLong));
    auto* at = index.data_ptr<int64_t>();
    for (int64_t i = -before; i < size + after; ++i) {
      at[i + before] = i < 0 ? -i - offset : i >= size ? 2 * (size - 1) - i + offset : i;
    }
    x = x.index_select(d, index.to(call.device()));
  }
  call.result(x);
}

// x [B, H, W, r*r*C], block-major channels, to [B, H*r, W*r, C].
KERNEL(DepthToSpace) {
  const Tensor& x = call.tensor();
  const int64_t r = call.integer();
  const int64_t b = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3) / (r * r);
  call.result(x.reshape({b, h, w, r, r, c}).permute({0, 1, 3, 2, 4, 5}).reshape({b, h * r, w * r, c}));
}

KERNEL(Diag) {
  const Tensor& x = call.tensor();
  Sizes shape(x.sizes().begin(), x.sizes().end());
  shape.append(x.sizes().begin(), x.sizes().end());
  call.result(at::diag_embed(x.reshape({-1})).reshape(shape));
}
