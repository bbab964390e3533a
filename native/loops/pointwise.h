// Functions of one vector: GELU and its derivative, activations.
#pragma once

#include "loops.h"
#include "simd.h"

namespace mimicsr::loops::LOOPS_SET {

// Phi(-u) for u >= 0 as exp(-u^2/2) times a polynomial in t = 1 / (1 + 0.3 u), fitted to 4e-9 relative on [0, 14];
// so Phi(x) keeps its relative precision in both tails. `gauss` is exp(-x^2/2).
LOOPS_INLINE vec normal_cdf(vec x, vec gauss) {
  const vec t = 1.0f / (vabs(x) * 0.3f + 1.0f);
  vec p = splat(-0.02091435973f);
  p = p * t + 0.1140402721f;
  p = p * t - 0.2320384829f;
  p = p * t + 0.196940677f;
  p = p * t - 0.08374254902f;
  p = p * t + 0.09848074018f;
  p = p * t + 0.07758906438f;
  p = p * t + 0.1104051798f;
  p = p * t + 0.1195517632f;
  p = p * t + 0.1196876931f;
  const vec tail = p * t * gauss;
  return x > 0.0f ? 1.0f - tail : tail;
}

LOOPS_INLINE vec gelu(vec x) { return x * normal_cdf(x, vexp(x * x * -0.5f)); }

// d gelu / dx = Phi(x) + x phi(x)
LOOPS_INLINE vec gelu_slope(vec x) {
  const vec gauss = vexp(x * x * -0.5f);
  return normal_cdf(x, gauss) + x * gauss * 0.398942280401432678f;
}

LOOPS_INLINE vec activate(vec x, Act act, float slope) {
  switch (act) {
    case Act::kNone:
      return x;
    case Act::kRelu:
      return x < 0.0f ? vec{} : x;  // NaN stays
    case Act::kLeakyRelu:
      return x < 0.0f ? x * slope : x;
  }
  return x;
}

// The derivative, from the output y, which has the sign of the input. At 0 it is the lower slope, as in PyTorch.
LOOPS_INLINE vec activation_slope(vec y, Act act, float slope) {
  const vec one = splat(1.0f);
  return act == Act::kNone ? one : y > 0.0f ? one : act == Act::kRelu ? vec{} : splat(slope);
}

}  // namespace mimicsr::loops::LOOPS_SET
