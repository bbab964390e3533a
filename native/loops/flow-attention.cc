// Attention of each pixel to a window of another map that flow points at: src/ops/flow-attention.ts, which defines it.
#include "simd.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

namespace {

// The taps of one pixel's window, a square of `side` x `side` pixels, and how far its samples lie beyond the first.
struct Taps {
  int64_t top, left;
  float beyond_y, beyond_x;
};

// Far positions are brought to where all taps lie outside as well; NaN stays in `beyond`.
float first_tap(float position, int64_t size, int64_t radius, int64_t* first) {
  const float least = static_cast<float>(-radius - 2), most = static_cast<float>(size + radius + 1);
  const float near = position < least ? least : position > most ? most : position;
  const float low = std::floor(near);
  *first = (low == low ? static_cast<int64_t>(low) : 0) - radius;
  return near - low;
}

Taps taps_of(const FlowWindow& g, const float* flow, int64_t pixel) {
  const int64_t y = pixel / g.w % g.h, x = pixel % g.w;
  Taps taps;
  taps.beyond_x = first_tap(static_cast<float>(x) + flow[2 * pixel], g.w, g.radius, &taps.left);
  taps.beyond_y = first_tap(static_cast<float>(y) + flow[2 * pixel + 1], g.h, g.radius, &taps.top);
  return taps;
}

LOOPS_INLINE float dot(const float* a, const float* b, int64_t n) {
  vec sum{};
  int64_t i = 0;
  for (; i + V <= n; i += V) sum += load(a + i) * load(b + i);
  if (i < n) sum += load_part(a + i, n - i) * load_part(b + i, n - i);
  return lanes_sum(sum);
}

// to += factor * from
LOOPS_INLINE void add_scaled(float* to, const float* from, float factor, int64_t n) {
  int64_t i = 0;
  for (; i + V <= n; i += V) store(to + i, load(to + i) + load(from + i) * factor);
  if (i < n) store_part(to + i, load_part(to + i, n - i) + load_part(from + i, n - i) * factor, n - i);
}

// visit(tap, row of the map) for every tap that lies in the pixel's picture.
template <class Visit>
LOOPS_INLINE void each_tap(const FlowWindow& g, const Taps& taps, int64_t pixel, const Visit& visit) {
  const int64_t side = 2 * g.radius + 2, start = pixel / (g.h * g.w) * g.h * g.w;
  for (int64_t i = 0; i < side; ++i) {
    const int64_t y = taps.top + i;
    if (y < 0 || y >= g.h) continue;
    for (int64_t j = 0; j < side; ++j) {
      const int64_t x = taps.left + j;
      if (x >= 0 && x < g.w) visit(i * side + j, start + y * g.w + x);
    }
  }
}

// [side, side, heads] at the taps to [side - 1, side - 1, heads] between them.
void interpolate(const FlowWindow& g, const Taps& taps, const float* at, float* between) {
  const int64_t side = 2 * g.radius + 2, n = g.heads;
  const float fy = taps.beyond_y, fx = taps.beyond_x;
  for (int64_t i = 0; i + 1 < side; ++i) {
    for (int64_t j = 0; j + 1 < side; ++j) {
      const float* upper = at + (i * side + j) * n;
      const float* lower = upper + side * n;
      for (int64_t k = 0; k < n; ++k) {
        *between++ = (1 - fx) * ((1 - fy) * upper[k] + fy * lower[k]) + fx * ((1 - fy) * upper[n + k] + fy * lower[n + k]);
      }
    }
  }
}

// The reverse: shares each value between out to the taps around it.
void spread(const FlowWindow& g, const Taps& taps, const float* between, float* at) {
  const int64_t side = 2 * g.radius + 2, n = g.heads;
  const float fy = taps.beyond_y, fx = taps.beyond_x;
  for (int64_t k = 0; k < side * side * n; ++k) at[k] = 0;
  for (int64_t i = 0; i + 1 < side; ++i) {
    for (int64_t j = 0; j + 1 < side; ++j) {
      float* upper = at + (i * side + j) * n;
      float* lower = upper + side * n;
      for (int64_t k = 0; k < n; ++k) {
        const float value = *between++;
        upper[k] += (1 - fy) * (1 - fx) * value;
        upper[n + k] += (1 - fy) * fx * value;
        lower[k] += fy * (1 - fx) * value;
        lower[n + k] += fy * fx * value;
      }
    }
  }
}

// Products, head by head, of `own` [heads, d] with the taps' pixels of `map`: [side, side, heads], 0 outside.
void products(const FlowWindow& g, const Taps& taps, int64_t pixel, const float* own, const float* map, float* at) {
  const int64_t side = 2 * g.radius + 2, c = g.heads * g.d;
  for (int64_t k = 0; k < side * side * g.heads; ++k) at[k] = 0;
  each_tap(g, taps, pixel, [&](int64_t tap, int64_t row) {
    for (int64_t head = 0; head < g.heads; ++head)
      at[tap * g.heads + head] = dot(own + head * g.d, map + row * c + head * g.d, g.d);
  });
}

// to [heads, d] = sum over the taps of weight times the map's pixel.
void weighted(const FlowWindow& g, const Taps& taps, int64_t pixel, const float* weights, const float* map, float* to) {
  const int64_t c = g.heads * g.d;
  for (int64_t k = 0; k < c; ++k) to[k] = 0;
  each_tap(g, taps, pixel, [&](int64_t tap, int64_t row) {
    for (int64_t head = 0; head < g.heads; ++head)
      add_scaled(to + head * g.d, map + row * c + head * g.d, weights[tap * g.heads + head], g.d);
  });
}

// The reverse: the taps' pixels of `map` += weight times `own`.
void scatter(const FlowWindow& g, const Taps& taps, int64_t pixel, const float* weights, const float* own, float* map) {
  const int64_t c = g.heads * g.d;
  each_tap(g, taps, pixel, [&](int64_t tap, int64_t row) {
    for (int64_t head = 0; head < g.heads; ++head)
      add_scaled(map + row * c + head * g.d, own + head * g.d, weights[tap * g.heads + head], g.d);
  });
}

}  // namespace

int64_t flow_attention_scratch(const FlowWindow& g) { return 2 * (2 * g.radius + 2) * (2 * g.radius + 2) * g.heads; }

void flow_attention(const FlowWindow& g, const float* q, const float* k, const float* v, const float* flow, float* y,
                    float* p, int64_t begin, int64_t end, float* scratch) {
  const int64_t c = g.heads * g.d, samples = (2 * g.radius + 1) * (2 * g.radius + 1), n = g.heads;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const Taps taps = taps_of(g, flow, pixel);
    float* own = p + pixel * samples * n;  // [samples, heads]
    products(g, taps, pixel, q + pixel * c, k, scratch);
    interpolate(g, taps, scratch, own);
    for (int64_t head = 0; head < n; ++head) {
      float most = own[head];
      for (int64_t o = 1; o < samples; ++o) most = own[o * n + head] > most ? own[o * n + head] : most;
      float total = 0;
      for (int64_t o = 0; o < samples; ++o) {
        float& logit = own[o * n + head];
        logit = std::exp((logit - most) * g.scale);
        total += logit;
      }
      for (int64_t o = 0; o < samples; ++o) own[o * n + head] /= total;
    }
    spread(g, taps, own, scratch);
    weighted(g, taps, pixel, scratch, v, y + pixel * c);
  }
}

void flow_attention_grad(const FlowWindow& g, const float* dy, const float* q, const float* k, const float* v,
                         const float* flow, const float* p, float* dq, float* dk, float* dv, int64_t begin, int64_t end,
                         float* scratch) {
  const int64_t c = g.heads * g.d, samples = (2 * g.radius + 1) * (2 * g.radius + 1), n = g.heads;
  float* at = scratch;
  float* between = scratch + flow_attention_scratch(g) / 2;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const Taps taps = taps_of(g, flow, pixel);
    const float* own = p + pixel * samples * n;
    spread(g, taps, own, at);
    scatter(g, taps, pixel, at, dy + pixel * c, dv);
    products(g, taps, pixel, dy + pixel * c, v, at);
    interpolate(g, taps, at, between);  // dP
    for (int64_t head = 0; head < n; ++head) {
      float along = 0;
      for (int64_t o = 0; o < samples; ++o) along += own[o * n + head] * between[o * n + head];
      for (int64_t o = 0; o < samples; ++o) {
        float& d = between[o * n + head];
        d = own[o * n + head] * (d - along) * g.scale;
      }
    }
    spread(g, taps, between, at);
    weighted(g, taps, pixel, at, k, dq + pixel * c);
    scatter(g, taps, pixel, at, q + pixel * c, dk);
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
