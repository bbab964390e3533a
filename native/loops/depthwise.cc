// Depthwise convolutions on NHWC maps: vectors run over channels, and eight neighbouring outputs of a row share each
// tap of the filter.
#include "pointwise.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

namespace {

LOOPS_INLINE vec get(const float* p, int64_t n) { return n == V ? load(p) : load_part(p, n); }
LOOPS_INLINE void put(float* p, vec v, int64_t n) {
  if (n == V) {
    store(p, v);
  } else {
    store_part(p, v, n);
  }
}

LOOPS_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
LOOPS_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

// Outputs whose taps along an axis all lie inside: [first, last).
struct Inside {
  int64_t first, last;
};

LOOPS_INLINE Inside inside(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dilation) {
  const int64_t first = at_most(out, (pad + stride - 1) / stride);
  const int64_t room = in - 1 - (taps - 1) * dilation + pad;
  const int64_t last = room < 0 ? 0 : at_most(out, room / stride + 1);
  return {first, at_least(first, last)};
}

constexpr int kRun = 8;  // outputs computed together

struct Row {
  const Depthwise& g;
  const float* in;  // picture
  int64_t in_h, in_w, in_row, in_pixel;
  const float* filter;
  int64_t top;  // input row of the first tap, may lie outside
};

// RUN outputs from column `ox`, all taps inside horizontally; n channels from j.
template <int RUN>
LOOPS_INLINE void run(const Row& r, int64_t ox, int64_t j, int64_t n, vec (&acc)[RUN]) {
  const Depthwise& g = r.g;
  const int64_t step = g.stride_w * r.in_pixel;
  for (int64_t ky = 0; ky < g.kh; ++ky) {
    const int64_t iy = r.top + ky * g.dilation_h;
    if (iy < 0 || iy >= r.in_h) continue;
    const float* from = r.in + iy * r.in_row + (ox * g.stride_w - g.pad_w) * r.in_pixel + j;
    const float* w = r.filter + ky * g.kw * g.c + j;
    for (int64_t kx = 0; kx < g.kw; ++kx) {
      const vec tap = get(w + kx * g.c, n);
      const float* at = from + kx * g.dilation_w * r.in_pixel;
#pragma GCC unroll 8
      for (int i = 0; i < RUN; ++i) acc[i] += get(at + i * step, n) * tap;
    }
  }
}

// One output whose taps may lie outside.
LOOPS_INLINE vec edge(const Row& r, int64_t ox, int64_t j, int64_t n, vec acc) {
  const Depthwise& g = r.g;
  for (int64_t ky = 0; ky < g.kh; ++ky) {
    const int64_t iy = r.top + ky * g.dilation_h;
    if (iy < 0 || iy >= r.in_h) continue;
    for (int64_t kx = 0; kx < g.kw; ++kx) {
      const int64_t ix = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
      if (ix < 0 || ix >= r.in_w) continue;
      acc += get(r.in + iy * r.in_row + ix * r.in_pixel + j, n) * get(r.filter + (ky * g.kw + kx) * g.c + j, n);
    }
  }
  return acc;
}

template <class Finish>
LOOPS_INLINE void row_channels(const Row& r, const Inside& cols, int64_t out_w, float* out, int64_t out_pixel,
                               int64_t j, int64_t n, vec start, Finish&& finish) {
  int64_t ox = 0;
  for (; ox < cols.first; ++ox) put(out + ox * out_pixel + j, finish(edge(r, ox, j, n, start)), n);
  for (; ox + kRun <= cols.last; ox += kRun) {
    vec acc[kRun];
    for (int i = 0; i < kRun; ++i) acc[i] = start;
    run<kRun>(r, ox, j, n, acc);
    for (int i = 0; i < kRun; ++i) put(out + (ox + i) * out_pixel + j, finish(acc[i]), n);
  }
  for (; ox < cols.last; ++ox) {
    vec acc[1] = {start};
    run<1>(r, ox, j, n, acc);
    put(out + ox * out_pixel + j, finish(acc[0]), n);
  }
  for (; ox < out_w; ++ox) put(out + ox * out_pixel + j, finish(edge(r, ox, j, n, start)), n);
}

}  // namespace

void depthwise(const Depthwise& g, Map x, const float* filter, const float* bias, Act act, float slope, OutMap y,
               int64_t begin, int64_t end) {
  const Inside cols = inside(x.w, y.w, g.kw, g.stride_w, g.pad_w, g.dilation_w);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t b = index / y.h, oy = index % y.h;
    const Row row{g,      x.data + b * x.batch_stride, x.h, x.w, x.row_stride, x.pixel_stride,
                  filter, oy * g.stride_h - g.pad_h};
    float* out = y.data + b * y.batch_stride + oy * y.row_stride;
    const auto finish = [act, slope](vec v) { return activate(v, act, slope); };
    int64_t j = 0;
    for (; j + V <= g.c; j += V) {
      row_channels(row, cols, y.w, out, y.pixel_stride, j, V, bias != nullptr ? load(bias + j) : vec{}, finish);
    }
    if (j < g.c) {
      const int64_t n = g.c - j;
      row_channels(row, cols, y.w, out, y.pixel_stride, j, n, bias != nullptr ? load_part(bias + j, n) : vec{}, finish);
    }
  }
}

// dx[iy, ix] = sum over taps of w[ky, kx] dy[oy, ox] with oy stride - pad + ky dilation = iy, and so for x.
// With stride 1 that is a convolution of dy with the turned filter, which `filter` then holds, and the same code runs.
void depthwise_input_grad(const Depthwise& g, Map dy, const float* filter, OutMap dx, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) {
    const int64_t b = index / dx.h, iy = index % dx.h;
    float* out = dx.data + b * dx.batch_stride + iy * dx.row_stride;
    const float* from = dy.data + b * dy.batch_stride;
    for (int64_t ix = 0; ix < dx.w; ++ix) {
      for (int64_t j = 0; j < g.c; j += V) {
        const int64_t n = at_most(V, g.c - j);
        vec acc{};
        for (int64_t ky = 0; ky < g.kh; ++ky) {
          const int64_t y = iy + g.pad_h - ky * g.dilation_h;
          if (y < 0 || y % g.stride_h != 0 || y / g.stride_h >= dy.h) continue;
          for (int64_t kx = 0; kx < g.kw; ++kx) {
            const int64_t x = ix + g.pad_w - kx * g.dilation_w;
            if (x < 0 || x % g.stride_w != 0 || x / g.stride_w >= dy.w) continue;
            const float* at = from + y / g.stride_h * dy.row_stride + x / g.stride_w * dy.pixel_stride + j;
            acc += get(at, n) * get(filter + (ky * g.kw + kx) * g.c + j, n);
          }
        }
        put(out + ix * dx.pixel_stride + j, acc, n);
      }
    }
  }
}

namespace {

// Taps kx of one filter row that are summed together, their sums in registers.
constexpr int kTaps = 6;

template <int TAPS>
LOOPS_INLINE void filter_row(const Depthwise& g, const float* in, int64_t in_w, int64_t in_pixel, const float* dy,
                             int64_t out_w, int64_t dy_pixel, int64_t kx0, int64_t j, int64_t n, float* dw) {
  vec acc[TAPS] = {};
  const int64_t start = kx0 * g.dilation_w - g.pad_w;  // input column of the first tap at output 0
  const int64_t reach = (TAPS - 1) * g.dilation_w;
  for (int64_t ox = 0; ox < out_w; ++ox) {
    const int64_t ix = ox * g.stride_w + start;
    const vec d = get(dy + ox * dy_pixel + j, n);
    const float* at = in + ix * in_pixel + j;
    if (ix >= 0 && ix + reach < in_w) {
#pragma GCC unroll 8
      for (int t = 0; t < TAPS; ++t) acc[t] += get(at + t * g.dilation_w * in_pixel, n) * d;
    } else {
      for (int t = 0; t < TAPS; ++t) {
        const int64_t x = ix + t * g.dilation_w;
        if (x >= 0 && x < in_w) acc[t] += get(at + t * g.dilation_w * in_pixel, n) * d;
      }
    }
  }
  for (int t = 0; t < TAPS; ++t) {
    float* to = dw + (kx0 + t) * g.c + j;
    put(to, get(to, n) + acc[t], n);
  }
}

}  // namespace

void depthwise_filter_grad(const Depthwise& g, Map x, Map dy, float* dw, float* dbias, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) {
    const int64_t b = index / dy.h, oy = index % dy.h;
    const float* out = dy.data + b * dy.batch_stride + oy * dy.row_stride;
    for (int64_t j = 0; j < g.c; j += V) {
      const int64_t n = at_most(V, g.c - j);
      if (dbias != nullptr) {
        vec sum{};
        for (int64_t ox = 0; ox < dy.w; ++ox) sum += get(out + ox * dy.pixel_stride + j, n);
        put(dbias + j, get(dbias + j, n) + sum, n);
      }
      for (int64_t ky = 0; ky < g.kh; ++ky) {
        const int64_t iy = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
        if (iy < 0 || iy >= x.h) continue;
        const float* in = x.data + b * x.batch_stride + iy * x.row_stride;
        float* row = dw + ky * g.kw * g.c;
        int64_t kx = 0;
        for (; kx + kTaps <= g.kw; kx += kTaps) {
          filter_row<kTaps>(g, in, x.w, x.pixel_stride, out, dy.w, dy.pixel_stride, kx, j, n, row);
        }
        for (; kx + 3 <= g.kw; kx += 3) {
          filter_row<3>(g, in, x.w, x.pixel_stride, out, dy.w, dy.pixel_stride, kx, j, n, row);
        }
        for (; kx < g.kw; ++kx) {
          filter_row<1>(g, in, x.w, x.pixel_stride, out, dy.w, dy.pixel_stride, kx, j, n, row);
        }
      }
    }
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
