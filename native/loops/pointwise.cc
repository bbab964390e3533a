// GELU, Adam, sums of squares.
#include "pointwise.h"

#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

void gelu_all(const float* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + V <= n; i += V) store(y + i, gelu(load(x + i)));
  if (i < n) store_part(y + i, gelu(load_part(x + i, n - i)), n - i);
}

void gelu_grad_all(const float* dy, const float* x, float* dx, int64_t n) {
  int64_t i = 0;
  for (; i + V <= n; i += V) store(dx + i, load(dy + i) * gelu_slope(load(x + i)));
  if (i < n) store_part(dx + i, load_part(dy + i, n - i) * gelu_slope(load_part(x + i, n - i)), n - i);
}

double square_sum(const float* x, int64_t n) {
  double total = 0;
  // In stretches: float within one, double between them.
  for (int64_t begin = 0; begin < n; begin += 1024) {
    const int64_t end = begin + 1024 < n ? begin + 1024 : n;
    vec sum{};
    int64_t i = begin;
    for (; i + V <= end; i += V) {
      const vec v = load(x + i);
      sum += v * v;
    }
    total += lanes_sum(sum);
    for (; i < end; ++i) total += static_cast<double>(x[i]) * x[i];
  }
  return total;
}

// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= rate (m / c1) / (sqrt(v / c2) + epsilon), g scaled first.
void adam(float* w, float* m, float* v, const float* g, int64_t n, float scale, float rate, float beta1, float rest1,
          float beta2, float rest2, float epsilon, float correction1, float correction2) {
  const float step = rate / correction1;
  const float root = std::sqrt(correction2);
  for (int64_t i = 0; i < n; ++i) {
    const float d = g[i] * scale;
    m[i] = beta1 * m[i] + rest1 * d;
    v[i] = beta2 * v[i] + rest2 * d * d;
    w[i] -= step * m[i] / (std::sqrt(v[i]) / root + epsilon);
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
