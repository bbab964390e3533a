// Attention of all heads of one window, forward and backward, in a scratch buffer that stays in cache. The window's
// pixels are gathered once; vectors run over the queries i: scores are kept transposed, S[j, i], so the softmax over the
// keys j is lane by lane, and no N x N matrix ever leaves the cache. Definition: src/ops/window-attention.ts.
#include "gemm.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

namespace {

// Which of three zones a rolled position lies in (see `shiftMask`).
LOOPS_INLINE int64_t zone(int64_t p, int64_t length, int64_t window, int64_t shift) {
  return p < length - window ? 0 : p < length - shift ? 1 : 2;
}

struct Scratch {
  float* next;
  float* take(int64_t floats) {
    float* start = next;
    next += round_up(floats, 16);
    return start;
  }
};

// Tokens of a window: their pixels in the map and, in shifted windows at a border, the regions that the mask parts.
struct Tokens {
  int64_t count;    // N
  int64_t queries;  // N rounded up to whole vectors
  int64_t* pixels;
  float* regions;
  bool masked;
};

Tokens tokens_of(const Windows& g, int64_t window, Scratch& scratch) {
  const int64_t n = g.wh * g.ww, queries = round_up(n, V);
  Tokens t{n, queries, reinterpret_cast<int64_t*>(scratch.take(2 * queries)), scratch.take(queries), false};
  const int64_t across = g.w / g.ww, down = g.h / g.wh;
  const int64_t b = window / (across * down), top = window / across % down * g.wh, left = window % across * g.ww;
  const bool shifted = g.shift_h > 0 || g.shift_w > 0;
  int64_t at = 0;
  for (int64_t y = top; y < top + g.wh; ++y) {
    const int64_t row = y + g.shift_h < g.h ? y + g.shift_h : y + g.shift_h - g.h;
    for (int64_t x = left; x < left + g.ww; ++x, ++at) {
      const int64_t column = x + g.shift_w < g.w ? x + g.shift_w : x + g.shift_w - g.w;
      t.pixels[at] = (b * g.h + row) * g.w + column;
      if (!shifted) continue;
      t.regions[at] = static_cast<float>(3 * zone(y, g.h, g.wh, g.shift_h) + zone(x, g.w, g.ww, g.shift_w));
      t.masked = t.masked || t.regions[at] != t.regions[0];
    }
  }
  for (; at < queries; ++at) t.regions[at] = 0;
  return t;
}

// Channels [from, from + count) of every token of a map of `stride` channels, as rows of `count`.
void gather(const float* map, int64_t stride, int64_t from, int64_t count, const Tokens& t, float* rows) {
  for (int64_t i = 0; i < t.count; ++i) {
    std::memcpy(rows + i * count, map + t.pixels[i] * stride + from, static_cast<size_t>(count) * 4);
  }
}

void scatter(const float* rows, int64_t count, const Tokens& t, float* map, int64_t stride, int64_t from) {
  for (int64_t i = 0; i < t.count; ++i) {
    std::memcpy(map + t.pixels[i] * stride + from, rows + i * count, static_cast<size_t>(count) * 4);
  }
}

// Columns [d, queries] of a head from its rows; zeros behind the last query.
void transpose_in(const float* rows, int64_t row, const Tokens& t, int64_t d, float factor, float* columns) {
  for (int64_t k = 0; k < d; ++k) {
    float* to = columns + k * t.queries;
    for (int64_t i = 0; i < t.count; ++i) to[i] = rows[i * row + k] * factor;
    for (int64_t i = t.count; i < t.queries; ++i) to[i] = 0;
  }
}

void transpose_out(const float* columns, const Tokens& t, int64_t d, float* rows, int64_t row) {
  for (int64_t i = 0; i < t.count; ++i) {
    for (int64_t k = 0; k < d; ++k) rows[i * row + k] = columns[k * t.queries + i];
  }
}

constexpr float kMasked = -100.0f;

// S[j, i] = scale q_i . k_j + bias[j, i] + mask, from q^T scaled.
LOOPS_INLINE void scores(const Tokens& t, int64_t d, const float* k, int64_t k_row, const float* q_t, const float* bias_t,
                         float* score) {
  multiply({d, k, k_row, 1, q_t, t.queries, score, t.queries, t.queries, 1.0f, bias_t, t.queries}, t.count);
  if (!t.masked) return;
  for (int64_t j = 0; j < t.count; ++j) {
    float* row = score + j * t.queries;
    for (int64_t i = 0; i < t.queries; i += V) {
      const vec v = load(row + i);
      store(row + i, load(t.regions + i) == t.regions[j] ? v : v + kMasked);
    }
  }
}

}  // namespace

int64_t window_scratch(const Windows& g) {
  const int64_t n = g.wh * g.ww, queries = round_up(n, V), own = g.heads * g.d;
  const int64_t rows = 8 * (n * own + V) + 3 * g.d * queries + 2 * n * queries + 6 * queries;
  return rows + 16 * 24;  // what rounding each block up may add
}

void window_forward(const Windows& g, int64_t window, const float* qkv, const float* bias_t, float* y, float* lse,
                    float* memory) {
  Scratch scratch{memory};
  const Tokens t = tokens_of(g, window, scratch);
  const int64_t own = g.heads * g.d, from = g.first_head * g.d;  // this group's channels
  float* q = scratch.take(t.count * own + V);
  float* k = scratch.take(t.count * own + V);
  float* v = scratch.take(t.count * own + V);
  float* out = scratch.take(t.count * own);
  float* q_t = scratch.take(g.d * t.queries);
  float* y_t = scratch.take(g.d * t.queries);
  float* score = scratch.take(t.count * t.queries);
  float* inverse = scratch.take(t.queries);
  float* level = scratch.take(t.queries);
  gather(qkv, 3 * g.c, from, own, t, q);
  gather(qkv, 3 * g.c, g.c + from, own, t, k);
  gather(qkv, 3 * g.c, 2 * g.c + from, own, t, v);

  for (int64_t head = 0; head < g.heads; ++head) {
    const int64_t at = head * g.d;
    transpose_in(q + at, own, t, g.d, g.scale, q_t);
    scores(t, g.d, k + at, own, q_t, bias_t + head * t.count * t.queries, score);
    for (int64_t i = 0; i < t.queries; i += V) {
      vec most = load(score + i);
      for (int64_t j = 1; j < t.count; ++j) most = vmax(most, load(score + j * t.queries + i));
      vec sum{};
      for (int64_t j = 0; j < t.count; ++j) {
        float* place = score + j * t.queries + i;
        const vec e = vexp(load(place) - most);
        store(place, e);
        sum += e;
      }
      store(inverse + i, 1.0f / sum);
      store(level + i, most + vlog(sum));
    }
    std::memcpy(lse + (g.first_head + head) * t.count, level, static_cast<size_t>(t.count) * 4);
    // y^T = v^T exp(S - max), then divided by the sums.
    multiply({t.count, v + at, 1, own, score, t.queries, y_t, t.queries, t.queries}, g.d);
    for (int64_t c = 0; c < g.d; ++c) {
      for (int64_t i = 0; i < t.queries; i += V) {
        float* place = y_t + c * t.queries + i;
        store(place, load(place) * load(inverse + i));
      }
    }
    transpose_out(y_t, t, g.d, out + at, own);
  }
  scatter(out, own, t, y, g.c, from);
}

void window_backward(const Windows& g, int64_t window, const float* dy, const float* y, const float* qkv,
                     const float* bias_t, const float* lse, float* dqkv, float* dbias_t, float* memory) {
  Scratch scratch{memory};
  const Tokens t = tokens_of(g, window, scratch);
  const int64_t own = g.heads * g.d, from = g.first_head * g.d;
  float* q = scratch.take(t.count * own + V);
  float* k = scratch.take(t.count * own + V);
  float* v = scratch.take(t.count * own + V);
  float* dout = scratch.take(t.count * own + V);
  float* out = scratch.take(t.count * own + V);
  float* dq = scratch.take(t.count * own);
  float* dk = scratch.take(t.count * own);
  float* dv = scratch.take(t.count * own);
  float* q_t = scratch.take(g.d * t.queries);
  float* dy_t = scratch.take(g.d * t.queries);
  float* dq_t = scratch.take(g.d * t.queries);
  float* p = scratch.take(t.count * t.queries);
  float* ds = scratch.take(t.count * t.queries);
  float* level = scratch.take(t.queries);
  float* delta = scratch.take(t.queries);
  gather(qkv, 3 * g.c, from, own, t, q);
  gather(qkv, 3 * g.c, g.c + from, own, t, k);
  gather(qkv, 3 * g.c, 2 * g.c + from, own, t, v);
  gather(dy, g.c, from, own, t, dout);
  gather(y, g.c, from, own, t, out);

  for (int64_t head = 0; head < g.heads; ++head) {
    const int64_t at = head * g.d, place = head * t.count * t.queries;
    const float* own_lse = lse + (g.first_head + head) * t.count;
    for (int64_t i = 0; i < t.queries; ++i) {
      level[i] = i < t.count ? own_lse[i] : 0;
      delta[i] = 0;
      if (i >= t.count) continue;
      for (int64_t c = at; c < at + g.d; ++c) delta[i] += dout[i * own + c] * out[i * own + c];
    }
    transpose_in(q + at, own, t, g.d, g.scale, q_t);
    transpose_in(dout + at, own, t, g.d, 1.0f, dy_t);
    scores(t, g.d, k + at, own, q_t, bias_t + place, p);
    multiply({g.d, v + at, own, 1, dy_t, t.queries, ds, t.queries, t.queries}, t.count);  // dP[j, i] = v_j . dy_i
    // P, and dS = P (dP - delta) in place of dP; its sum over windows is the gradient of the bias.
    for (int64_t j = 0; j < t.count; ++j) {
      for (int64_t i = 0; i < t.queries; i += V) {
        const int64_t ji = j * t.queries + i;
        const vec pr = vexp(load(p + ji) - load(level + i));
        const vec slope = pr * (load(ds + ji) - load(delta + i));
        store(p + ji, pr);
        store(ds + ji, slope);
        store(dbias_t + place + ji, load(dbias_t + place + ji) + slope);
      }
    }
    // dv_j = sum over i of P dy_i, dk_j = scale sum over i of dS q_i, dq^T = scale k^T dS
    multiply({t.count, p, t.queries, 1, dout + at, own, dv + at, own, g.d}, t.count);
    multiply({t.count, ds, t.queries, 1, q + at, own, dk + at, own, g.d, g.scale}, t.count);
    multiply({t.count, k + at, 1, own, ds, t.queries, dq_t, t.queries, t.queries, g.scale}, g.d);
    transpose_out(dq_t, t, g.d, dq + at, own);
  }
  scatter(dq, own, t, dqkv, 3 * g.c, from);
  scatter(dk, own, t, dqkv, 3 * g.c, g.c + from);
  scatter(dv, own, t, dqkv, 3 * g.c, 2 * g.c + from);
}

}  // namespace mimicsr::loops::LOOPS_SET
