// Attention of one head in one window, forward and backward, in a scratch buffer that stays in cache. Vectors run over
// the queries i: the scores are kept transposed, S[j, i], so the softmax over the keys j is lane by lane and no N x N
// matrix ever leaves the cache. Definition and formulas: src/ops/window-attention.ts.
#include "gemm.h"
#include "pointwise.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

namespace {

struct Sizes {
  int64_t tokens;   // N
  int64_t queries;  // N rounded up to whole vectors
  int64_t dp;       // d rounded up to whole vectors
};

LOOPS_INLINE Sizes sizes_of(const Windows& g) {
  const int64_t tokens = g.wh * g.ww;
  return {tokens, round_up(tokens, V), round_up(g.d, V)};
}

// Which of three zones a rolled position lies in (see `shiftMask`).
LOOPS_INLINE int64_t zone(int64_t p, int64_t length, int64_t window, int64_t shift) {
  return p < length - window ? 0 : p < length - shift ? 1 : 2;
}

// Pixel of the image under token t of a window, and the zone of its rolled position.
struct Token {
  int64_t pixel, region;
};

LOOPS_INLINE Token token(const Windows& g, int64_t window, int64_t t) {
  const int64_t across = g.w / g.ww, down = g.h / g.wh;
  const int64_t b = window / (across * down);
  const int64_t y = window / across % down * g.wh + t / g.ww;
  const int64_t x = window % across * g.ww + t % g.ww;
  const int64_t region = 3 * zone(y, g.h, g.wh, g.shift_h) + zone(x, g.w, g.ww, g.shift_w);
  const int64_t row = y + g.shift_h < g.h ? y + g.shift_h : y + g.shift_h - g.h;
  const int64_t column = x + g.shift_w < g.w ? x + g.shift_w : x + g.shift_w - g.w;
  return {(b * g.h + row) * g.w + column, g.shift_h > 0 || g.shift_w > 0 ? region : 0};
}

// Bump allocator over the caller's scratch.
struct Scratch {
  float* next;
  float* take(int64_t floats) {
    float* start = next;
    next += floats;
    return start;
  }
};

// Channels [from, from + d) of every token as rows [N, dp], the padding zero.
LOOPS_INLINE void gather_rows(const float* map, int64_t stride, int64_t from, const int64_t* pixels, const Sizes& s,
                              int64_t d, float* rows) {
  for (int64_t t = 0; t < s.tokens; ++t) {
    const float* at = map + pixels[t] * stride + from;
    float* to = rows + t * s.dp;
    int64_t j = 0;
    for (; j + V <= d; j += V) store(to + j, load(at + j));
    if (j < d) store(to + j, load_part(at + j, d - j));
  }
}

// Rows [N, dp] to columns [d, queries], the padding zero.
LOOPS_INLINE void transpose(const float* rows, const Sizes& s, int64_t d, float factor, float* columns) {
  for (int64_t k = 0; k < d; ++k) {
    float* to = columns + k * s.queries;
    for (int64_t t = 0; t < s.tokens; ++t) to[t] = rows[t * s.dp + k] * factor;
    for (int64_t t = s.tokens; t < s.queries; ++t) to[t] = 0;
  }
}

// Columns [d, queries] back to channels [from, from + d) of every token.
LOOPS_INLINE void scatter_columns(const float* columns, const Sizes& s, int64_t d, const int64_t* pixels, float* map,
                                  int64_t stride, int64_t from) {
  for (int64_t t = 0; t < s.tokens; ++t) {
    float* to = map + pixels[t] * stride + from;
    for (int64_t k = 0; k < d; ++k) to[k] = columns[k * s.queries + t];
  }
}

LOOPS_INLINE void scatter_rows(const float* rows, const Sizes& s, int64_t d, const int64_t* pixels, float* map,
                               int64_t stride, int64_t from) {
  for (int64_t t = 0; t < s.tokens; ++t) {
    const float* at = rows + t * s.dp;
    float* to = map + pixels[t] * stride + from;
    int64_t j = 0;
    for (; j + V <= d; j += V) store(to + j, load(at + j));
    if (j < d) store_part(to + j, load(at + j), d - j);
  }
}

void product(int64_t rows, int64_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_step,
             float* c, int64_t width, float factor) {
  PaddedProduct body{depth, a, a_row, a_step, b, b_step, c, width, factor, false};
  column_panels(width / V, rows, body);
}

constexpr float kMasked = -100.0f;

// S[j, i] = scale q_i . k_j + bias + mask, from q transposed and already scaled.
void scores(const Windows& g, const Sizes& s, int64_t window, const float* k, const float* q_t, const float* bias_t,
            float* regions, float* score) {
  product(s.tokens, g.d, k, s.dp, 1, q_t, s.queries, score, s.queries, 1.0f);
  bool masked = false;
  if (g.shift_h > 0 || g.shift_w > 0) {
    for (int64_t t = 0; t < s.tokens; ++t) {
      regions[t] = static_cast<float>(token(g, window, t).region);
      masked = masked || regions[t] != regions[0];
    }
    for (int64_t t = s.tokens; t < s.queries; ++t) regions[t] = 0;
  }
  for (int64_t j = 0; j < s.tokens; ++j) {
    float* row = score + j * s.queries;
    const float* bias = bias_t + j * s.queries;
    for (int64_t i = 0; i < s.queries; i += V) {
      vec v = load(row + i) + load(bias + i);
      if (masked) v = load(regions + i) == regions[j] ? v : v + kMasked;
      store(row + i, v);
    }
  }
}

}  // namespace

int64_t window_scratch(const Windows& g) {
  const Sizes s = sizes_of(g);
  // pixels (as int64), regions; up to 5 row blocks, 5 column blocks, two score matrices, 2 vectors of queries
  return 2 * s.queries + s.queries + 5 * s.tokens * s.dp + 5 * g.d * s.queries + 2 * s.tokens * s.queries +
         2 * s.queries;
}

void window_forward(const Windows& g, int64_t window, int64_t head, const float* qkv, const float* bias_t, float* y,
                    float* lse, float* memory) {
  const Sizes s = sizes_of(g);
  Scratch scratch{memory};
  auto* pixels = reinterpret_cast<int64_t*>(scratch.take(2 * s.queries));
  float* regions = scratch.take(s.queries);
  float* q = scratch.take(s.tokens * s.dp);
  float* k = scratch.take(s.tokens * s.dp);
  float* v = scratch.take(s.tokens * s.dp);
  float* q_t = scratch.take(g.d * s.queries);
  float* y_t = scratch.take(g.d * s.queries);
  float* score = scratch.take(s.tokens * s.queries);
  for (int64_t t = 0; t < s.tokens; ++t) pixels[t] = token(g, window, t).pixel;

  const int64_t from = (g.first_head + head) * g.d;
  gather_rows(qkv, 3 * g.c, from, pixels, s, g.d, q);
  gather_rows(qkv, 3 * g.c, g.c + from, pixels, s, g.d, k);
  gather_rows(qkv, 3 * g.c, 2 * g.c + from, pixels, s, g.d, v);
  transpose(q, s, g.d, g.scale, q_t);
  scores(g, s, window, k, q_t, bias_t, regions, score);

  // exp(S - max) and its sum, lane by lane.
  float* inverse = scratch.take(s.queries);
  for (int64_t i = 0; i < s.queries; i += V) {
    vec most = load(score + i);
    for (int64_t j = 1; j < s.tokens; ++j) most = vmax(most, load(score + j * s.queries + i));
    vec sum{};
    for (int64_t j = 0; j < s.tokens; ++j) {
      float* at = score + j * s.queries + i;
      const vec e = vexp(load(at) - most);
      store(at, e);
      sum += e;
    }
    store(inverse + i, 1.0f / sum);
    for (int64_t lane = 0; lane < V && i + lane < s.tokens; ++lane) lse[i + lane] = most[lane] + std::log(sum[lane]);
  }
  product(g.d, s.tokens, v, 1, s.dp, score, s.queries, y_t, s.queries, 1.0f);  // y^T = v^T S
  for (int64_t k2 = 0; k2 < g.d; ++k2) {
    for (int64_t i = 0; i < s.queries; i += V) {
      float* at = y_t + k2 * s.queries + i;
      store(at, load(at) * load(inverse + i));
    }
  }
  scatter_columns(y_t, s, g.d, pixels, y, g.c, from);
}

void window_backward(const Windows& g, int64_t window, int64_t head, const float* dy, const float* y, const float* qkv,
                     const float* bias_t, const float* lse, float* dqkv, float* dbias_t, float* memory) {
  const Sizes s = sizes_of(g);
  Scratch scratch{memory};
  auto* pixels = reinterpret_cast<int64_t*>(scratch.take(2 * s.queries));
  float* regions = scratch.take(s.queries);
  float* q = scratch.take(s.tokens * s.dp);
  float* k = scratch.take(s.tokens * s.dp);
  float* v = scratch.take(s.tokens * s.dp);
  float* dyr = scratch.take(s.tokens * s.dp);
  float* rows = scratch.take(s.tokens * s.dp);
  float* q_t = scratch.take(g.d * s.queries);
  float* dy_t = scratch.take(g.d * s.queries);
  float* dq_t = scratch.take(g.d * s.queries);
  float* p = scratch.take(s.tokens * s.queries);
  float* dp = scratch.take(s.tokens * s.queries);
  float* level = scratch.take(s.queries);
  float* delta = scratch.take(s.queries);
  for (int64_t t = 0; t < s.tokens; ++t) pixels[t] = token(g, window, t).pixel;

  const int64_t from = (g.first_head + head) * g.d;
  gather_rows(qkv, 3 * g.c, from, pixels, s, g.d, q);
  gather_rows(qkv, 3 * g.c, g.c + from, pixels, s, g.d, k);
  gather_rows(qkv, 3 * g.c, 2 * g.c + from, pixels, s, g.d, v);
  gather_rows(dy, g.c, from, pixels, s, g.d, dyr);
  gather_rows(y, g.c, from, pixels, s, g.d, rows);
  for (int64_t t = 0; t < s.queries; ++t) level[t] = t < s.tokens ? lse[t] : 0;
  for (int64_t t = 0; t < s.tokens; ++t) {
    vec sum{};
    for (int64_t j = 0; j < s.dp; j += V) sum += load(dyr + t * s.dp + j) * load(rows + t * s.dp + j);
    delta[t] = lanes_sum(sum);
  }
  for (int64_t t = s.tokens; t < s.queries; ++t) delta[t] = 0;
  transpose(q, s, g.d, g.scale, q_t);
  transpose(dyr, s, g.d, 1.0f, dy_t);

  scores(g, s, window, k, q_t, bias_t, regions, p);
  product(s.tokens, g.d, v, s.dp, 1, dy_t, s.queries, dp, s.queries, 1.0f);  // dP[j, i] = v_j . dy_i
  // P, and dS = P (dP - delta) in place of dP; its sum over windows is the gradient of the bias.
  for (int64_t j = 0; j < s.tokens; ++j) {
    for (int64_t i = 0; i < s.queries; i += V) {
      const int64_t at = j * s.queries + i;
      const vec pr = vexp(load(p + at) - load(level + i));
      const vec ds = pr * (load(dp + at) - load(delta + i));
      store(p + at, pr);
      store(dp + at, ds);
      store(dbias_t + at, load(dbias_t + at) + ds);
    }
  }
  product(s.tokens, s.tokens, p, s.queries, 1, dyr, s.dp, rows, s.dp, 1.0f);  // dv_j = sum over i of P dy_i
  scatter_rows(rows, s, g.d, pixels, dqkv, 3 * g.c, 2 * g.c + from);
  product(s.tokens, s.tokens, dp, s.queries, 1, q, s.dp, rows, s.dp, g.scale);  // dk_j = scale sum over i of dS q_i
  scatter_rows(rows, s, g.d, pixels, dqkv, 3 * g.c, g.c + from);
  product(g.d, s.tokens, k, 1, s.dp, dp, s.queries, dq_t, s.queries, g.scale);  // dq^T = scale k^T dS
  scatter_columns(dq_t, s, g.d, pixels, dqkv, 3 * g.c, from);
}

}  // namespace mimicsr::loops::LOOPS_SET
