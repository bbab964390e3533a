// Dense convolutions on NHWC maps as products, without unfolding the picture: the kw taps of a filter row and their C
// channels lie side by side in a row of pixels, so an output row is kh products of depth kw C on rows that overlap.
// Each input row is first copied into a strip with its zeros at both ends (a hundredth of the work), so no tap needs a
// bounds check.
#include "gemm.h"
#include "pointwise.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

namespace {

constexpr int64_t kMostStrips = kMostReach;

// Pixels of a strip: what the outputs of one row see.
LOOPS_INLINE int64_t strip_pixels(const Conv& g, int64_t out_w) {
  return (out_w - 1) * g.stride_w + (g.kw - 1) * g.dilation_w + 1;
}

// Output rows that are computed together: their strips overlap, and a longer sum stays in registers.
LOOPS_INLINE int64_t rows_together(const Conv& g, int64_t out_w) {
  int64_t rows = out_w >= 128 ? 1 : 128 / out_w;
  while (rows > 1 && (rows - 1) * g.stride_h + (g.kh - 1) * g.dilation_h + 1 > kMostStrips) --rows;
  return rows < 8 ? rows : 8;
}

struct Strips {
  const float* row[kMostStrips];  // by input row below the first; null where outside the picture
};

// The input rows under output rows [oy, oy + rows), each with its zeros at both ends.
void fill_strips(const Conv& g, const Map& x, int64_t b, int64_t oy, int64_t rows, int64_t pixels, float* memory,
                 Strips& strips) {
  const int64_t count = (rows - 1) * g.stride_h + (g.kh - 1) * g.dilation_h + 1;
  for (int64_t s = 0; s < count; ++s) {
    const int64_t iy = oy * g.stride_h - g.pad_h + s;
    float* strip = memory + s * round_up(pixels * g.c, 16);
    strips.row[s] = iy < 0 || iy >= x.h ? nullptr : strip;
    if (strips.row[s] == nullptr) continue;
    const float* row = x.data + b * x.batch_stride + iy * x.row_stride;
    // A negative padding (the gradient of a generous one) skips pixels.
    const int64_t left = g.pad_w < 0 ? 0 : g.pad_w < pixels ? g.pad_w : pixels;
    const int64_t skipped = g.pad_w < 0 ? (-g.pad_w < x.w ? -g.pad_w : x.w) : 0;
    const int64_t inside = x.w - skipped < pixels - left ? x.w - skipped : pixels - left;
    row += skipped * x.pixel_stride;
    std::memset(strip, 0, static_cast<size_t>(left * g.c) * 4);
    if (x.pixel_stride == g.c) {
      std::memcpy(strip + left * g.c, row, static_cast<size_t>(inside * g.c) * 4);
    } else {
      for (int64_t p = 0; p < inside; ++p) {
        std::memcpy(strip + (left + p) * g.c, row + p * x.pixel_stride, static_cast<size_t>(g.c) * 4);
      }
    }
    std::memset(strip + (left + inside) * g.c, 0, static_cast<size_t>((pixels - left - inside) * g.c) * 4);
  }
}

// One output row: all of its products summed in registers.
struct OutputRow {
  const Conv& g;
  const Strips& strips;
  int64_t top;                 // strip of the row's first tap
  const float* packed;         // panels of [kh, kw, c] rows
  const float* bias;
  Act act;
  float slope;
  float* out;
  int64_t out_pixel;
  int64_t first = 0;

  template <int MR, int NR>
  LOOPS_INLINE_MEMBER void run(int64_t m) {
    vec acc[MR][NR];
#pragma GCC unroll 4
    for (int j = 0; j < NR; ++j) {
      const vec start = bias != nullptr ? load(bias + (first + j) * V) : vec{};
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) acc[i][j] = start;
    }
    // Without dilation the taps of a filter row are one product.
    const int64_t pieces = g.dilation_w == 1 ? 1 : g.kw;
    const int64_t depth = g.dilation_w == 1 ? g.kw * g.c : g.c;
    for (int64_t ky = 0; ky < g.kh; ++ky) {
      const float* strip = strips.row[top + ky * g.dilation_h];
      if (strip == nullptr) continue;
      for (int64_t piece = 0; piece < pieces; ++piece) {
        const float* a = strip + (m * g.stride_w + piece * g.dilation_w) * g.c;
        const float* b = packed + (first * g.kh * g.kw + (ky * g.kw + piece) * NR) * g.c * V;
        tile<MR, NR>(depth, a, g.stride_w * g.c, 1, b, NR * V, acc);
      }
    }
    const int64_t room = g.n - first * V;
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      float* to = out + (m + i) * out_pixel + first * V;
#pragma GCC unroll 4
      for (int j = 0; j < NR; ++j) {
        const vec v = act == Act::kNone ? acc[i][j] : activate(acc[i][j], act, slope);
        if (j < NR - 1 || room >= NR * V) {
          store(to + j * V, v);
        } else {
          store_part(to + j * V, v, room - j * V);
        }
      }
    }
  }
};

// dw of one filter row (one tap of it, where there is a dilation), over several output rows.
struct FilterRow {
  const Conv& g;
  const Strips& strips;
  int64_t ky, offset;  // floats into the strips
  int64_t rows, pixels;
  const float* d;  // [rows, pixels, width]
  int64_t width;
  float* dw;
  int64_t first = 0;

  template <int MR, int NR>
  LOOPS_INLINE_MEMBER void run(int64_t m) {
    vec acc[MR][NR];
    float* to = dw + m * width + first * V;
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < NR; ++j) acc[i][j] = load(to + i * width + j * V);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float* strip = strips.row[r * g.stride_h + ky * g.dilation_h];
      if (strip == nullptr) continue;
      tile<MR, NR>(pixels, strip + offset + m, 1, g.stride_w * g.c, d + r * pixels * width + first * V, width, acc);
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < NR; ++j) store(to + i * width + j * V, acc[i][j]);
    }
  }
};

// Output rows [index, index + n) of one picture, n <= `most`.
LOOPS_INLINE int64_t rows_from(int64_t index, int64_t end, int64_t out_h, int64_t most) {
  const int64_t left = out_h - index % out_h;
  const int64_t n = end - index < left ? end - index : left;
  return n < most ? n : most;
}

}  // namespace

int64_t conv_scratch(const Conv& g, int64_t out_w) {
  const int64_t rows = rows_together(g, out_w);
  const int64_t strips = (rows - 1) * g.stride_h + (g.kh - 1) * g.dilation_h + 1;
  return strips * round_up(strip_pixels(g, out_w) * g.c, 16) + rows * out_w * round_up(g.n, V);
}

void conv(const Conv& g, Map x, const float* packed, const float* bias, Act act, float slope, OutMap y, int64_t begin,
          int64_t end, float* scratch) {
  const int64_t pixels = strip_pixels(g, y.w), together = rows_together(g, y.w);
  Strips strips;
  for (int64_t index = begin; index < end;) {
    const int64_t b = index / y.h, oy = index % y.h, rows = rows_from(index, end, y.h, together);
    fill_strips(g, x, b, oy, rows, pixels, scratch, strips);
    for (int64_t r = 0; r < rows; ++r) {
      float* out = y.data + b * y.batch_stride + (oy + r) * y.row_stride;
      OutputRow row{g, strips, r * g.stride_h, packed, bias, act, slope, out, y.pixel_stride};
      column_panels((g.n + V - 1) / V, y.w, row);
    }
    index += rows;
  }
}

void conv_filter_grad(const Conv& g, Map x, Map dy, float* dw, int64_t begin, int64_t end, float* scratch) {
  const int64_t pixels = strip_pixels(g, dy.w), width = round_up(g.n, V), together = rows_together(g, dy.w);
  float* d = scratch + conv_scratch(g, dy.w) - together * dy.w * width;
  Strips strips;
  for (int64_t index = begin; index < end;) {
    const int64_t b = index / dy.h, oy = index % dy.h, rows = rows_from(index, end, dy.h, together);
    fill_strips(g, x, b, oy, rows, pixels, scratch, strips);
    for (int64_t r = 0; r < rows; ++r) {
      const Rows gradient{dy.data + b * dy.batch_stride + (oy + r) * dy.row_stride, dy.pixel_stride};
      activation_grad(gradient, gradient, dy.w, g.n, Act::kNone, 0, d + r * dy.w * width, nullptr);  // pads
    }
    // Without dilation the taps of a filter row are one matrix of kw c rows.
    const int64_t pieces = g.dilation_w == 1 ? 1 : g.kw;
    const int64_t depth = g.dilation_w == 1 ? g.kw * g.c : g.c;
    for (int64_t ky = 0; ky < g.kh; ++ky) {
      for (int64_t piece = 0; piece < pieces; ++piece) {
        float* to = dw + (ky * g.kw + piece) * g.c * width;
        FilterRow row{g, strips, ky, piece * g.dilation_w * g.c, rows, dy.w, d, width, to};
        column_panels(width / V, depth, row);
      }
    }
    index += rows;
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
