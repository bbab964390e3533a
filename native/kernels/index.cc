// Gather, scatter, segment sums, one-hot, counts. Indices are int32 on the JavaScript side, int64 in ATen.
// An index outside its axis is an error in gathers and scatters, and is left out by segment sums and one-hot,
// as in TensorFlow.js.
#include "../core/call.h"

using namespace mimicsr;
using at::Tensor;

// x [batch, outer, axis, slice], indices [batch, n] -> [batch, outer, n, slice]; then reshaped to `shape`.
KERNEL(GatherV2) {
  const Tensor& x = call.tensor();
  const Tensor indices = call.tensor().reshape({-1}).to(at::kLong);
  const Sizes flat = call.integers();
  const Sizes shape = call.integers();
  const int64_t batch = flat[0];
  if (batch == 1) {
    call.result(x.reshape({flat[1], flat[2], flat[3]}).index_select(1, indices).reshape(shape));
    return;
  }
  const Tensor rows = x.reshape(flat);
  const Tensor per_batch = indices.reshape({batch, -1});
  std::vector<Tensor> parts;
  for (int64_t b = 0; b < batch; ++b) parts.push_back(rows[b].index_select(1, per_batch[b]));
  call.result(at::stack(parts).reshape(shape));
}

// Rows of int indices [n, d] into the first d axes of `shape`, as flat row numbers [n].
static Tensor flat_rows(const Tensor& indices, at::IntArrayRef shape) {
  const int64_t depth = indices.size(-1);
  Tensor rows = at::zeros({indices.numel() / std::max<int64_t>(depth, 1)}, indices.options().dtype(at::kLong));
  const Tensor list = indices.reshape({-1, depth}).to(at::kLong);
  for (int64_t d = 0; d < depth; ++d) {
    const Tensor column = list.select(1, d);
    if (column.numel() > 0) {
      TORCH_CHECK(column.min().item<int64_t>() >= 0 && column.max().item<int64_t>() < shape[d],
                  "an index is outside axis ", d, " of size ", shape[d]);
    }
    rows = rows.mul(shape[d]).add(column);
  }
  return rows;
}

static int64_t product(at::IntArrayRef sizes) {
  int64_t total = 1;
  for (const int64_t size : sizes) total *= size;
  return total;
}

KERNEL(GatherNd) {
  const Tensor& x = call.tensor();
  const Tensor& indices = call.tensor();
  const int64_t depth = indices.size(-1);
  Sizes shape(indices.sizes().begin(), indices.sizes().end() - 1);
  shape.append(x.sizes().begin() + depth, x.sizes().end());
  const int64_t rows = product(x.sizes().slice(0, depth));
  call.result(x.reshape({rows, product(x.sizes().slice(depth))})
                  .index_select(0, flat_rows(indices, x.sizes()))
                  .reshape(shape));
}

// Sums the updates into zeros of `shape` (ScatterNd), or puts them into a copy of a tensor (TensorScatterUpdate).
KERNEL(ScatterNd) {
  const Tensor& indices = call.tensor();
  const Tensor& updates = call.tensor();
  const Sizes shape = call.integers();
  const int64_t depth = indices.size(-1);
  const at::IntArrayRef sizes(shape);
  const int64_t rows = product(sizes.slice(0, depth)), slice = product(sizes.slice(depth));
  call.result(at::zeros({rows, slice}, updates.options())
                  .index_add(0, flat_rows(indices, sizes), updates.reshape({-1, slice}))
                  .reshape(shape));
}

KERNEL(TensorScatterUpdate) {
  const Tensor& x = call.tensor();
  const Tensor& indices = call.tensor();
  const Tensor& updates = call.tensor();
  const int64_t depth = indices.size(-1);
  const int64_t rows = product(x.sizes().slice(0, depth)), slice = product(x.sizes().slice(depth));
  call.result(x.reshape({rows, slice})
                  .index_copy(0, flat_rows(indices, x.sizes()), updates.reshape({-1, slice}))
                  .reshape(x.sizes()));
}

KERNEL(SparseToDense) {
  const Tensor& indices = call.tensor();
  const Tensor& values = call.tensor();
  const Tensor& fallback = call.tensor();
  const Sizes shape = call.integers();
  const int64_t depth = indices.dim() > 1 ? indices.size(-1) : 1;
  const Tensor rows = flat_rows(indices.reshape({-1, depth}), shape);
  const Tensor flat = fallback.expand({product(shape)}).clone();
  call.result(flat.index_copy_(0, rows, values.expand({rows.numel()})).reshape(shape));
}

// x [n, ...], ids [n] -> [segments, ...].
KERNEL(UnsortedSegmentSum) {
  const Tensor& x = call.tensor();
  const Tensor ids = call.tensor().to(at::kLong).reshape({-1});
  const int64_t segments = call.integer();
  Sizes shape(x.sizes().begin(), x.sizes().end());
  shape[0] = segments + 1;  // the last row collects ids that no segment has
  const Tensor inside = at::logical_and(at::ge(ids, 0), at::lt(ids, segments));
  const Tensor rows = at::where(inside, ids, at::full({}, segments, ids.options()));
  call.result(at::zeros(shape, x.options()).index_add(0, rows, x).narrow(0, 0, segments));
}

KERNEL(OneHot) {
  const Tensor& indices = call.tensor();
  const int64_t depth = call.integer();
  const double on = call.number();
  const double off = call.number();
  const auto type = call.dtype();
  const Tensor hit = at::eq(indices.unsqueeze(-1), at::arange(depth, indices.options()));
  call.result(at::where(hit, at::full({}, on, call.options(type)), at::full({}, off, call.options(type))));
}

// x [n] or [rows, n], weights of the same shape or empty -> counts [size] or [rows, size]; x >= size is left out.
KERNEL(DenseBincount) {
  const Tensor& x = call.tensor();
  const Tensor& weights = call.tensor();
  const int64_t size = call.integer();
  const bool binary = call.flag();
  TORCH_CHECK(x.numel() == 0 || x.min().item<int64_t>() >= 0, "input x must be non-negative");
  const Tensor rows = x.dim() == 1 ? x.unsqueeze(0) : x;
  const Tensor hit = at::eq(rows.unsqueeze(-1), at::arange(size, x.options())).to(weights.scalar_type());
  Tensor counts = weights.numel() == 0 || binary ? hit.sum(1, false, weights.scalar_type())
                                                 : hit.mul(weights.reshape(rows.sizes()).unsqueeze(-1))
                                                       .sum(1, false, weights.scalar_type());
  if (binary) counts = at::gt(counts, 0).to(weights.scalar_type());
  call.result(x.dim() == 1 ? counts.squeeze(0) : counts);
}
