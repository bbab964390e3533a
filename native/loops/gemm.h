// The one product kernel: MR rows by NR vectors of the result, kept in registers over the whole depth.
#pragma once

#include "simd.h"

namespace mimicsr::loops::LOOPS_SET {

// Rows of the register tile for NR vectors, so that accumulators, one row of b and a broadcast fit in the registers
// (32 with AVX-512 and on ARM, 16 otherwise).
#if LOOPS_BYTES == 64 || defined(__aarch64__)
template <int NR>
constexpr int kTileRows = NR == 1 ? 14 : NR == 2 ? 12 : NR == 3 ? 8 : 6;
constexpr int kMaxVectors = 4;
#else
template <int NR>
constexpr int kTileRows = NR == 1 ? 8 : NR == 2 ? 6 : 4;
constexpr int kMaxVectors = 3;
#endif

// acc[i][j] += sum over k of a[i * a_row + k * a_step] b[k * b_step + j V ...]
template <int MR, int NR>
LOOPS_INLINE void tile(int64_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_step,
                       vec (&acc)[MR][NR]) {
  for (int64_t k = 0; k < depth; ++k) {
    vec row[NR];
#pragma GCC unroll 4
    for (int j = 0; j < NR; ++j) row[j] = load(b + j * V);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const vec x = splat(a[i * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < NR; ++j) acc[i][j] += x * row[j];
    }
    a += a_step;
    b += b_step;
  }
}

// Runs `body(i, acc)` for every row tile of [0, rows): Body is called as body.template run<MR, NR>(first_row).
template <int NR, class Body>
LOOPS_INLINE void row_tiles(int64_t rows, Body& body) {
  constexpr int MR = kTileRows<NR>;
  int64_t m = 0;
  for (; m + MR <= rows; m += MR) body.template run<MR, NR>(m);
  for (; m + 4 <= rows; m += 4) body.template run<4, NR>(m);
  for (; m < rows; ++m) body.template run<1, NR>(m);
}

// Size of the panel that begins at vector `first`: at most kMaxVectors, and all as even as can be.
LOOPS_INLINE int64_t panel_size(int64_t vectors, int64_t first) {
  const int64_t left = vectors - first, parts = (left + kMaxVectors - 1) / kMaxVectors;
  return (left + parts - 1) / parts;
}

// Runs `body` for every panel of columns and every row tile: body.first is the panel's first vector.
template <class Body>
LOOPS_INLINE void column_panels(int64_t vectors, int64_t rows, Body& body) {
  for (int64_t first = 0, size; first < vectors; first += size) {
    size = panel_size(vectors, first);
    body.first = first;
    switch (size) {
      case 1:
        row_tiles<1>(rows, body);
        break;
      case 2:
        row_tiles<2>(rows, body);
        break;
      case 3:
        row_tiles<3>(rows, body);
        break;
#if LOOPS_BYTES == 64 || defined(__aarch64__)
      case 4:
        row_tiles<4>(rows, body);
        break;
#endif
    }
  }
}

// c[m, :n] = start[m, :n] + factor * sum over k of a[m * a_row + k * a_step] b[k * b_step + ...].
// Rows of b are read in whole vectors, so b needs V - 1 readable floats behind its last row.
struct Product {
  int64_t depth;
  const float* a;
  int64_t a_row, a_step;
  const float* b;
  int64_t b_step;
  float* c;
  int64_t c_row, n;
  float factor = 1.0f;
  const float* start = nullptr;  // in rows of `start_row`; c itself to add to it; null for 0
  int64_t start_row = 0;
  int64_t first = 0;

  template <int MR, int NR>
  LOOPS_INLINE_MEMBER void run(int64_t m) {
    vec acc[MR][NR] = {};
    tile<MR, NR>(depth, a + m * a_row, a_row, a_step, b + first * V, b_step, acc);
    const int64_t room = n - first * V;  // columns from here on
    for (int i = 0; i < MR; ++i) {
      float* to = c + (m + i) * c_row + first * V;
      const float* from = start == nullptr ? nullptr : start + (m + i) * start_row + first * V;
#pragma GCC unroll 4
      for (int j = 0; j < NR; ++j) {
        if (j < NR - 1 || room >= NR * V) {
          store(to + j * V, from == nullptr ? acc[i][j] * factor : load(from + j * V) + acc[i][j] * factor);
        } else {
          const int64_t part = room - j * V;
          const vec v = acc[i][j] * factor;
          store_part(to + j * V, from == nullptr ? v : load_part(from + j * V, part) + v, part);
        }
      }
    }
  }
};

LOOPS_INLINE void multiply(Product product, int64_t rows) {
  column_panels((product.n + V - 1) / V, rows, product);
}

}  // namespace mimicsr::loops::LOOPS_SET
