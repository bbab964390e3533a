// Depthwise convolutions on NHWC maps: vectors run over channels. With stride 1 a run of neighbouring outputs, along the
// filter's longer side, shares every input it loads; other strides and dilations take a plain path.
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

// One axis of the convolution: sizes, padding, and how far apart its elements lie in the maps and the filter.
struct Axis {
  int64_t in, out, pad;
  int64_t in_step, out_step, filter_step;
};

// Runs go along `run`, whose K taps are unrolled; `other` is looped over.
struct Plane {
  Axis run, other;
  int64_t other_taps;
};

constexpr int kRun = 8;

// RUN outputs from `first` on, at position `p` of the other axis: acc[o] += sum over taps. `in` is the picture.
template <int RUN, int K>
LOOPS_INLINE void run_forward(const Plane& plane, const float* in, const float* filter, int64_t first, int64_t p,
                              int64_t n, vec (&acc)[RUN]) {
  const Axis& run = plane.run;
  const int64_t start = first - run.pad;
  const int64_t low = at_least(0, -start), high = at_most(RUN + K - 1, run.in - start);
  const bool whole = low == 0 && high == RUN + K - 1;
  for (int64_t tap = 0; tap < plane.other_taps; ++tap) {
    const int64_t q = p - plane.other.pad + tap;
    if (q < 0 || q >= plane.other.in) continue;
    const float* from = in + q * plane.other.in_step + start * run.in_step;
    const float* w = filter + tap * plane.other.filter_step;
    vec taps[K];
#pragma GCC unroll 16
    for (int t = 0; t < K; ++t) taps[t] = get(w + t * run.filter_step, n);
#pragma GCC unroll 32
    for (int i = 0; i < RUN + K - 1; ++i) {
      if (!whole && (i < low || i >= high)) continue;
      const vec x = get(from + i * run.in_step, n);
#pragma GCC unroll 16
      for (int t = 0; t < K; ++t) {
        if (i - t >= 0 && i - t < RUN) acc[i - t] += x * taps[t];
      }
    }
  }
}

// dw[t] += sum over the run's outputs of x[o + t] dy[o], for every tap of the other axis.
template <int RUN, int K>
LOOPS_INLINE void run_filter(const Plane& plane, const float* in, const float* dy, int64_t first, int64_t p, int64_t n,
                             float* dw) {
  const Axis& run = plane.run;
  const int64_t start = first - run.pad;
  const int64_t low = at_least(0, -start), high = at_most(RUN + K - 1, run.in - start);
  const bool whole = low == 0 && high == RUN + K - 1;
  vec d[RUN];
#pragma GCC unroll 16
  for (int o = 0; o < RUN; ++o) d[o] = get(dy + p * plane.other.out_step + (first + o) * run.out_step, n);
  for (int64_t tap = 0; tap < plane.other_taps; ++tap) {
    const int64_t q = p - plane.other.pad + tap;
    if (q < 0 || q >= plane.other.in) continue;
    const float* from = in + q * plane.other.in_step + start * run.in_step;
    float* w = dw + tap * plane.other.filter_step;
    vec acc[K];
#pragma GCC unroll 16
    for (int t = 0; t < K; ++t) acc[t] = get(w + t * run.filter_step, n);
#pragma GCC unroll 32
    for (int i = 0; i < RUN + K - 1; ++i) {
      if (!whole && (i < low || i >= high)) continue;
      const vec x = get(from + i * run.in_step, n);
#pragma GCC unroll 16
      for (int t = 0; t < K; ++t) {
        if (i - t >= 0 && i - t < RUN) acc[t] += x * d[i - t];
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < K; ++t) put(w + t * run.filter_step, acc[t], n);
  }
}

struct Forward {
  const float *in, *filter, *bias;
  float* out;
  Act act;
  float slope;

  template <int RUN, int K>
  LOOPS_INLINE_MEMBER void run(const Plane& plane, int64_t first, int64_t p, int64_t j, int64_t n) const {
    vec acc[RUN];
    const vec start = bias == nullptr ? vec{} : get(bias + j, n);
    for (int o = 0; o < RUN; ++o) acc[o] = start;
    run_forward<RUN, K>(plane, in + j, filter + j, first, p, n, acc);
    float* to = out + p * plane.other.out_step + first * plane.run.out_step + j;
#pragma GCC unroll 16
    for (int o = 0; o < RUN; ++o) put(to + o * plane.run.out_step, activate(acc[o], act, slope), n);
  }
};

struct FilterGrad {
  const float *in, *dy;
  float* dw;

  template <int RUN, int K>
  LOOPS_INLINE_MEMBER void run(const Plane& plane, int64_t first, int64_t p, int64_t j, int64_t n) const {
    run_filter<RUN, K>(plane, in + j, dy + j, first, p, n, dw + j);
  }
};

// All outputs [begin, end) of the run axis at position p, runs of 8 and then of 1.
template <int K, class Body>
LOOPS_INLINE void runs(const Plane& plane, const Body& body, int64_t begin, int64_t end, int64_t p, int64_t c) {
  int64_t first = begin;
  for (; first + kRun <= end; first += kRun) {
    int64_t j = 0;
    for (; j + V <= c; j += V) body.template run<kRun, K>(plane, first, p, j, V);
    if (j < c) body.template run<kRun, K>(plane, first, p, j, c - j);
  }
  for (; first < end; ++first) {
    for (int64_t j = 0; j < c; j += V) body.template run<1, K>(plane, first, p, j, at_most(V, c - j));
  }
}

template <class Body>
void runs_of(int64_t taps, const Plane& plane, const Body& body, int64_t begin, int64_t end, int64_t p, int64_t c) {
  switch (taps) {
    case 1:
      return runs<1>(plane, body, begin, end, p, c);
    case 3:
      return runs<3>(plane, body, begin, end, p, c);
    case 5:
      return runs<5>(plane, body, begin, end, p, c);
    case 7:
      return runs<7>(plane, body, begin, end, p, c);
    case 11:
      return runs<11>(plane, body, begin, end, p, c);
  }
}

bool has_runs(const Depthwise& g) {
  const int64_t taps = at_least(g.kh, g.kw);
  return g.stride_h == 1 && g.stride_w == 1 && g.dilation_h == 1 && g.dilation_w == 1 &&
         (taps == 1 || taps == 3 || taps == 5 || taps == 7 || taps == 11);
}

// Calls `bodies(b)` for the pictures that output rows [begin, end) belong to, with the body's runs along the filter's
// longer side.
template <class Bodies>
void all_runs(const Depthwise& g, const Map& x, int64_t out_h, int64_t out_w, int64_t out_row, int64_t out_pixel,
              int64_t begin, int64_t end, const Bodies& bodies) {
  const Axis rows{x.h, out_h, g.pad_h, x.row_stride, out_row, g.kw * g.c};
  const Axis columns{x.w, out_w, g.pad_w, x.pixel_stride, out_pixel, g.c};
  for (int64_t index = begin; index < end;) {
    const int64_t b = index / out_h, top = index % out_h;
    const int64_t bottom = at_most(out_h, top + end - index);
    const auto body = bodies(b);
    if (g.kh > g.kw) {
      const Plane plane{rows, columns, g.kw};
      // In stretches of eight rows, so that their inputs are still in cache for the next column.
      for (int64_t y = top; y < bottom; y += kRun) {
        for (int64_t ox = 0; ox < out_w; ++ox) runs_of(g.kh, plane, body, y, at_most(bottom, y + kRun), ox, g.c);
      }
    } else {
      const Plane plane{columns, rows, g.kh};
      for (int64_t oy = top; oy < bottom; ++oy) runs_of(g.kw, plane, body, 0, out_w, oy, g.c);
    }
    index += bottom - top;
  }
}

// One output, any stride and dilation.
LOOPS_INLINE vec one_output(const Depthwise& g, const Map& x, const float* in, const float* filter, int64_t oy,
                            int64_t ox, int64_t j, int64_t n, vec acc) {
  for (int64_t ky = 0; ky < g.kh; ++ky) {
    const int64_t iy = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
    if (iy < 0 || iy >= x.h) continue;
    for (int64_t kx = 0; kx < g.kw; ++kx) {
      const int64_t ix = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
      if (ix < 0 || ix >= x.w) continue;
      acc += get(in + iy * x.row_stride + ix * x.pixel_stride + j, n) * get(filter + (ky * g.kw + kx) * g.c + j, n);
    }
  }
  return acc;
}

// The taps of one axis that an input at `i` takes part in, and the outputs that it does so for: tap k is of the output
// (i + pad - k dilation) / stride where that is whole. Stride or dilation is 1.
struct Contributions {
  int64_t tap, tap_step, out, out_step;

  Contributions(int64_t i, int64_t pad, int64_t stride, int64_t dilation)
      : tap((i + pad) % stride), tap_step(stride), out((i + pad) / stride), out_step(dilation) {}
};

}  // namespace

void depthwise(const Depthwise& g, Map x, const float* filter, const float* bias, Act act, float slope, OutMap y,
               int64_t begin, int64_t end) {
  if (has_runs(g)) {
    all_runs(g, x, y.h, y.w, y.row_stride, y.pixel_stride, begin, end, [&](int64_t b) {
      return Forward{x.data + b * x.batch_stride, filter, bias, y.data + b * y.batch_stride, act, slope};
    });
    return;
  }
  for (int64_t index = begin; index < end; ++index) {
    const int64_t b = index / y.h, oy = index % y.h;
    const float* in = x.data + b * x.batch_stride;
    float* out = y.data + b * y.batch_stride + oy * y.row_stride;
    for (int64_t ox = 0; ox < y.w; ++ox) {
      for (int64_t j = 0; j < g.c; j += V) {
        const int64_t n = at_most(V, g.c - j);
        const vec start = bias == nullptr ? vec{} : get(bias + j, n);
        const vec v = one_output(g, x, in, filter, oy, ox, j, n, start);
        put(out + ox * y.pixel_stride + j, activate(v, act, slope), n);
      }
    }
  }
}

// dx[iy, ix] = sum over taps of w[ky, kx] dy[oy, ox] with oy stride - pad + ky dilation = iy, and so for x. (With stride
// 1 the caller runs `depthwise` on the turned filter instead.)
void depthwise_input_grad(const Depthwise& g, Map dy, const float* filter, OutMap dx, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) {
    const int64_t b = index / dx.h, iy = index % dx.h;
    float* out = dx.data + b * dx.batch_stride + iy * dx.row_stride;
    const float* from = dy.data + b * dy.batch_stride;
    const Contributions rows(iy, g.pad_h, g.stride_h, g.dilation_h);
    for (int64_t ix = 0; ix < dx.w; ++ix) {
      const Contributions columns(ix, g.pad_w, g.stride_w, g.dilation_w);
      for (int64_t j = 0; j < g.c; j += V) {
        const int64_t n = at_most(V, g.c - j);
        vec acc{};
        for (int64_t ky = rows.tap, oy = rows.out; ky < g.kh; ky += rows.tap_step, oy -= rows.out_step) {
          if (oy < 0 || oy >= dy.h) continue;
          for (int64_t kx = columns.tap, ox = columns.out; kx < g.kw; kx += columns.tap_step, ox -= columns.out_step) {
            if (ox < 0 || ox >= dy.w) continue;
            const float* at = from + oy * dy.row_stride + ox * dy.pixel_stride + j;
            acc += get(at, n) * get(filter + (ky * g.kw + kx) * g.c + j, n);
          }
        }
        put(out + ix * dx.pixel_stride + j, acc, n);
      }
    }
  }
}

void depthwise_filter_grad(const Depthwise& g, Map x, Map dy, float* dw, float* dbias, int64_t begin, int64_t end) {
  const bool by_runs = has_runs(g);
  if (by_runs) {
    all_runs(g, x, dy.h, dy.w, dy.row_stride, dy.pixel_stride, begin, end, [&](int64_t b) {
      return FilterGrad{x.data + b * x.batch_stride, dy.data + b * dy.batch_stride, dw};
    });
    if (dbias == nullptr) return;
  }
  for (int64_t index = begin; index < end; ++index) {
    const int64_t b = index / dy.h, oy = index % dy.h;
    const float* out = dy.data + b * dy.batch_stride + oy * dy.row_stride;
    const float* in = x.data + b * x.batch_stride;
    for (int64_t j = 0; j < g.c; j += V) {
      const int64_t n = at_most(V, g.c - j);
      vec sum{};
      for (int64_t ox = 0; ox < dy.w; ++ox) {
        const vec d = get(out + ox * dy.pixel_stride + j, n);
        sum += d;
        for (int64_t ky = 0; ky < g.kh && !by_runs; ++ky) {
          const int64_t iy = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
          if (iy < 0 || iy >= x.h) continue;
          for (int64_t kx = 0; kx < g.kw; ++kx) {
            const int64_t ix = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
            if (ix < 0 || ix >= x.w) continue;
            float* to = dw + (ky * g.kw + kx) * g.c + j;
            put(to, get(to, n) + get(in + iy * x.row_stride + ix * x.pixel_stride + j, n) * d, n);
          }
        }
      }
      if (dbias != nullptr) put(dbias + j, get(dbias + j, n) + sum, n);
    }
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
