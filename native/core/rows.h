// Tensors as the loops see them, and the splitting of work.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "loops.h"

namespace mimicsr {

// The loops take float32 in main memory; a tensor elsewhere (a GPU) goes through ATen.
inline bool on_loops(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && loops::enabled();
}

// [..., C] as rows of C contiguous floats: the tensor itself where its strides allow it (a slice of channels does),
// else a dense copy. `tensor` keeps the memory alive.
struct RowView {
  at::Tensor tensor;
  int64_t count;
  int64_t c;
  loops::Rows rows;
};

inline RowView rows_of(const at::Tensor& x) {
  const int64_t rank = x.dim();
  const int64_t c = rank == 0 ? 1 : x.size(rank - 1);
  const int64_t count = c == 0 ? 0 : x.numel() / c;
  bool uniform = rank == 0 || c == 1 || x.stride(rank - 1) == 1;
  int64_t stride = c, expected = -1;
  for (int64_t d = rank - 2; d >= 0 && uniform; --d) {
    if (x.size(d) == 1) continue;
    if (expected < 0) {
      stride = x.stride(d);
      uniform = stride >= c;
    } else {
      uniform = x.stride(d) == expected;
    }
    expected = x.stride(d) * x.size(d);
  }
  const at::Tensor dense = uniform ? x : x.contiguous();
  return {dense, count, c, {dense.data_ptr<float>(), uniform ? stride : c}};
}

// [B, H, W, C] with contiguous channels, other strides free.
struct MapView {
  at::Tensor tensor;
  loops::Map map;
};

inline MapView map_of(const at::Tensor& x) {
  const at::Tensor dense = x.stride(3) == 1 || x.size(3) == 1 ? x : x.contiguous();
  return {dense,
          {dense.data_ptr<float>(), dense.stride(0), dense.stride(1), dense.stride(2), dense.size(1), dense.size(2)}};
}

inline loops::OutMap out_map(const at::Tensor& x) {
  return {x.data_ptr<float>(), x.stride(0), x.stride(1), x.stride(2), x.size(1), x.size(2)};
}

// Splits [0, count) into at most `most` even parts of at least `least`. The split depends on the sizes alone, never on
// the number of threads, so a sum over the parts is the same on every machine.
struct Parts {
  int64_t number, size, count;
  Parts(int64_t count, int64_t least, int64_t most)
      : number(std::max<int64_t>(1, std::min(most, count / std::max<int64_t>(1, least)))),
        size((count + number - 1) / number),
        count(count) {
    number = std::max<int64_t>(1, (count + size - 1) / std::max<int64_t>(1, size));
  }
  int64_t begin(int64_t part) const { return part * size; }
  int64_t end(int64_t part) const { return std::min(count, (part + 1) * size); }
};

// body(part) for every part, on the engine's threads.
template <class Body>
void parallel_parts(int64_t number, const Body& body) {
  at::parallel_for(0, number, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) body(part);
  });
}

inline const loops::Loops& fast() { return loops::loops(); }

inline const float* data(const at::Tensor& x) { return x.defined() ? x.data_ptr<float>() : nullptr; }

inline loops::OutRows out_rows(const at::Tensor& dense, int64_t first_row) {
  const int64_t c = dense.size(-1);
  return {dense.data_ptr<float>() + first_row * c, c};
}

inline loops::Rows from_row(const RowView& view, int64_t row) {
  return {view.rows.data + row * view.rows.stride, view.rows.stride};
}

}  // namespace mimicsr
