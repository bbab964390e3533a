// Vectors of floats, in GCC's and Clang's portable notation. Every file of this folder is compiled once for each
// instruction set that the machine family has (see binding.gyp: LOOPS_SET is base, avx2 or avx512), into a namespace of
// its own, so nothing here is shared between the sets and no standard template is instantiated.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LOOPS_BYTES 64
#elif defined(__AVX2__)
#define LOOPS_BYTES 32
#else
#define LOOPS_BYTES 16
#endif

#define LOOPS_INLINE static inline __attribute__((always_inline))
#define LOOPS_INLINE_MEMBER inline __attribute__((always_inline))

namespace mimicsr::loops::LOOPS_SET {

typedef float vec __attribute__((vector_size(LOOPS_BYTES)));
typedef int32_t ivec __attribute__((vector_size(LOOPS_BYTES)));

constexpr int V = LOOPS_BYTES / 4;  // floats in a vector

LOOPS_INLINE vec load(const float* p) {
  vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

LOOPS_INLINE void store(float* p, vec v) { std::memcpy(p, &v, sizeof v); }

LOOPS_INLINE vec splat(float x) { return x - vec{}; }

// The first n lanes (0 < n <= V); the others are read as zero, and not written.
#if LOOPS_BYTES == 64
LOOPS_INLINE vec load_part(const float* p, int64_t n) { return _mm512_maskz_loadu_ps((1u << n) - 1, p); }
LOOPS_INLINE void store_part(float* p, vec v, int64_t n) { _mm512_mask_storeu_ps(p, (1u << n) - 1, v); }
#elif LOOPS_BYTES == 32
LOOPS_INLINE __m256i part_mask(int64_t n) {
  static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ones + 8 - n));
}
LOOPS_INLINE vec load_part(const float* p, int64_t n) { return _mm256_maskload_ps(p, part_mask(n)); }
LOOPS_INLINE void store_part(float* p, vec v, int64_t n) { _mm256_maskstore_ps(p, part_mask(n), v); }
#else
LOOPS_INLINE vec load_part(const float* p, int64_t n) {
  vec v{};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
LOOPS_INLINE void store_part(float* p, vec v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}
#endif

LOOPS_INLINE vec vmax(vec a, vec b) { return a > b ? a : b; }
LOOPS_INLINE vec vmin(vec a, vec b) { return a < b ? a : b; }
LOOPS_INLINE vec vabs(vec a) { return reinterpret_cast<vec>(reinterpret_cast<ivec>(a) & 0x7fffffff); }

// Sum of all lanes, as a tree.
LOOPS_INLINE float lanes_sum(vec v) {
  float a[V];
  std::memcpy(a, &v, sizeof v);
  for (int width = V / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a[i] += a[i + width];
  }
  return a[0];
}

// e^x to about 1e-7 relative: 2^n e^r with |r| <= ln2 / 2, a polynomial in r. Below -87 it is 0, above 88 infinite;
// NaN stays NaN.
LOOPS_INLINE vec vexp(vec x) {
  const vec clipped = vmin(vmax(x, splat(-87.0f)), splat(88.0f));
  const vec shifted = clipped * 1.44269504088896341f + 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
  const vec n = shifted - 12582912.0f;
  const vec r = (clipped - n * 0.693359375f) + n * 2.12194440e-4f;
  vec p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const vec scale = reinterpret_cast<vec>((__builtin_convertvector(n, ivec) + 127) << 23);
  vec y = p * scale;
  y = x < -87.0f ? vec{} : y;
  y = x > 88.0f ? splat(INFINITY) : y;
  return x == x ? y : x;
}

// ln x for x > 0 and finite, to about 1e-7: x = 2^e m with m in [0.7, 1.4], a polynomial in m - 1 (Cephes' coefficients).
LOOPS_INLINE vec vlog(vec x) {
  ivec bits = reinterpret_cast<ivec>(x);
  ivec exponent = (bits >> 23) - 126;
  vec m = reinterpret_cast<vec>((bits & 0x007fffff) | 0x3f000000);  // [0.5, 1)
  const ivec low = m < 0.707106781186547524f;
  exponent += low;  // a true lane is -1
  m = (low ? m + m : m) - 1.0f;
  const vec e = __builtin_convertvector(exponent, vec);
  const vec z = m * m;
  vec p = splat(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  return m + (p * m * z + e * -2.12194440e-4f - z * 0.5f) + e * 0.693359375f;
}

}  // namespace mimicsr::loops::LOOPS_SET
