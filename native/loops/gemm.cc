// Products of many rows with a small matrix: linear layers and 1x1 convolutions, forward and backward.
#include "gemm.h"

#include "pointwise.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

void pack(const float* w, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float* packed) {
  const int64_t vectors = (n + V - 1) / V;
  for (int64_t first = 0, size; first < vectors; first += size) {
    size = panel_size(vectors, first);
    const int64_t begin = first * V, width = size * V, inside = n - begin < width ? n - begin : width;
    for (int64_t i = 0; i < k; ++i, packed += width) {
      for (int64_t j = 0; j < inside; ++j) packed[j] = w[i * k_stride + (begin + j) * n_stride];
      for (int64_t j = inside; j < width; ++j) packed[j] = 0;
    }
  }
}

namespace {

struct Linear {
  Rows x;
  int64_t depth;
  const float* packed;
  int64_t n;
  const float* bias;
  Act act;
  float slope;
  OutRows y;
  int64_t first = 0;

  template <int MR, int NR>
  LOOPS_INLINE_MEMBER void run(int64_t m) {
    vec acc[MR][NR];
    for (int j = 0; j < NR; ++j) {
      const vec start = bias != nullptr ? load(bias + (first + j) * V) : vec{};
      for (int i = 0; i < MR; ++i) acc[i][j] = start;
    }
    tile<MR, NR>(depth, x.data + m * x.stride, x.stride, 1, packed + first * V * depth, NR * V, acc);
    if (act != Act::kNone) {
      for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) acc[i][j] = activate(acc[i][j], act, slope);
      }
    }
    const int64_t room = n - first * V;
    for (int i = 0; i < MR; ++i) {
      float* to = y.data + (m + i) * y.stride + first * V;
      if (room >= NR * V) {
        for (int j = 0; j < NR; ++j) store(to + j * V, acc[i][j]);
      } else {
        for (int j = 0; j < NR - 1; ++j) store(to + j * V, acc[i][j]);
        store_part(to + (NR - 1) * V, acc[i][NR - 1], room - (NR - 1) * V);
      }
    }
  }
};

}  // namespace

void linear(Rows x, int64_t rows, int64_t k, const float* packed, int64_t n, const float* bias, Act act, float slope,
            OutRows y) {
  Linear body{x, k, packed, n, bias, act, slope, y};
  column_panels((n + V - 1) / V, rows, body);
}

void gemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_row,
          int64_t b_step, float* c, float* scratch) {
  constexpr int64_t most = kMaxVectors * V;
  for (int64_t j = 0; j < n; j += most) {
    const int64_t columns = n - j < most ? n - j : most;
    const float* panel = b + j * b_step;
    int64_t panel_row = b_row;
    if (b_step != 1 || columns % V != 0) {
      pack(panel, b_row, b_step, k, columns, scratch);
      panel = scratch;
      panel_row = round_up(columns, V);
    }
    multiply({k, a, a_row, a_step, panel, panel_row, c + j, n, columns}, m);
  }
}

void activation_grad(Rows dy, Rows y, int64_t rows, int64_t n, Act act, float slope, float* d, float* dbias) {
  const int64_t width = round_up(n, V);
  for (int64_t j = 0; j < width; j += V) {
    const int64_t part = n - j < V ? n - j : V;
    vec sum{};
    for (int64_t m = 0; m < rows; ++m) {
      vec g = part == V ? load(dy.data + m * dy.stride + j) : load_part(dy.data + m * dy.stride + j, part);
      if (act != Act::kNone) {
        const float* from = y.data + m * y.stride + j;
        g *= activation_slope(part == V ? load(from) : load_part(from, part), act, slope);
      }
      store(d + m * width + j, g);
      sum += g;
    }
    if (dbias != nullptr) store_part(dbias + j, load_part(dbias + j, part) + sum, part);
  }
}

void scale_by_activation(Rows dy, Rows y, int64_t rows, int64_t n, Act act, float slope, float* d, float* sum) {
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t j = 0; j < n; j += V) {
      const int64_t part = n - j < V ? n - j : V;
      const float *g = dy.data + m * dy.stride + j, *from = y.data + m * y.stride + j;
      if (part == V) {
        const vec v = load(g) * activation_slope(load(from), act, slope);
        store(d + m * n + j, v);
        if (sum != nullptr) store(sum + j, load(sum + j) + v);
      } else {
        const vec v = load_part(g, part) * activation_slope(load_part(from, part), act, slope);
        store_part(d + m * n + j, v, part);
        if (sum != nullptr) store_part(sum + j, load_part(sum + j, part) + v, part);
      }
    }
  }
}

void linear_filter_grad(Rows x, const float* d, int64_t rows, int64_t k, int64_t n, float* dw) {
  const int64_t width = round_up(n, V);
  multiply({rows, x.data, 1, x.stride, d, width, dw, width, width, 1.0f, dw, width}, k);
}

}  // namespace mimicsr::loops::LOOPS_SET
