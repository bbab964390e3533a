// Layer norm over the channels of each row, batch norm over the rows of each channel.
#include "simd.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

namespace {

// Calls body(j, n) for the vectors of c channels: n = V, and less for the last if c is no multiple of V.
template <class Body>
LOOPS_INLINE void channels(int64_t c, Body&& body) {
  int64_t j = 0;
  for (; j + V <= c; j += V) body(j, V);
  if (j < c) body(j, c - j);
}

LOOPS_INLINE vec get(const float* p, int64_t n) { return n == V ? load(p) : load_part(p, n); }
LOOPS_INLINE void put(float* p, vec v, int64_t n) {
  if (n == V) {
    store(p, v);
  } else {
    store_part(p, v, n);
  }
}

// Ones in the first n lanes.
LOOPS_INLINE vec lanes(int64_t n) {
  static const float ones[2 * 16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return load(ones + 16 - n);
}

}  // namespace

void layer_norm(Rows x, int64_t rows, int64_t c, const float* weight, const float* bias, float epsilon, float* y,
                float* xhat, float* rstd) {
  const float share = 1.0f / static_cast<float>(c);
  for (int64_t m = 0; m < rows; ++m) {
    const float* from = x.data + m * x.stride;
    vec sum{};
    channels(c, [&](int64_t j, int64_t n) { sum += get(from + j, n); });
    const float mean = lanes_sum(sum) * share;
    vec squares{};
    channels(c, [&](int64_t j, int64_t n) {
      vec centred = get(from + j, n) - mean;
      if (n < V) centred *= lanes(n);
      squares += centred * centred;
    });
    const float r = 1.0f / std::sqrt(lanes_sum(squares) * share + epsilon);
    rstd[m] = r;
    channels(c, [&](int64_t j, int64_t n) {
      const vec normal = (get(from + j, n) - mean) * r;
      put(xhat + m * c + j, normal, n);
      put(y + m * c + j, normal * get(weight + j, n) + get(bias + j, n), n);
    });
  }
}

void layer_norm_grad(Rows dy, const float* xhat, const float* rstd, const float* weight, int64_t rows, int64_t c,
                     float* dx, float* dweight, float* dbias) {
  const float share = 1.0f / static_cast<float>(c);
  for (int64_t m = 0; m < rows; ++m) {
    const float* from = dy.data + m * dy.stride;
    const float* normal = xhat + m * c;
    vec sum{}, along{};
    channels(c, [&](int64_t j, int64_t n) {
      const vec d = get(from + j, n), h = get(normal + j, n);
      const vec g = d * get(weight + j, n);
      sum += g;
      along += g * h;
      put(dweight + j, get(dweight + j, n) + d * h, n);
      put(dbias + j, get(dbias + j, n) + d, n);
    });
    const float mean = lanes_sum(sum) * share;
    const float slope = lanes_sum(along) * share;
    channels(c, [&](int64_t j, int64_t n) {
      const vec g = get(from + j, n) * get(weight + j, n);
      put(dx + m * c + j, (g - mean - get(normal + j, n) * slope) * rstd[m], n);
    });
  }
}

void column_sums(Rows x, int64_t rows, int64_t c, float* sum) {
  channels(c, [&](int64_t j, int64_t n) {
    vec s{};
    for (int64_t m = 0; m < rows; ++m) s += get(x.data + m * x.stride + j, n);
    put(sum + j, get(sum + j, n) + s, n);
  });
}

void column_squares(Rows x, int64_t rows, int64_t c, const float* shift, float* squares) {
  channels(c, [&](int64_t j, int64_t n) {
    const vec centre = get(shift + j, n);
    vec s{};
    for (int64_t m = 0; m < rows; ++m) {
      const vec d = get(x.data + m * x.stride + j, n) - centre;
      s += d * d;
    }
    put(squares + j, get(squares + j, n) + s, n);
  });
}

void column_affine(Rows x, int64_t rows, int64_t c, const float* slope, const float* offset, float* y) {
  for (int64_t m = 0; m < rows; ++m) {
    channels(c, [&](int64_t j, int64_t n) {
      put(y + m * c + j, get(x.data + m * x.stride + j, n) * get(slope + j, n) + get(offset + j, n), n);
    });
  }
}

void batch_norm_sums(Rows dy, Rows x, int64_t rows, int64_t c, const float* mean, const float* rstd, float* sum,
                     float* along) {
  channels(c, [&](int64_t j, int64_t n) {
    const vec centre = get(mean + j, n), scale = get(rstd + j, n);
    vec s{}, a{};
    for (int64_t m = 0; m < rows; ++m) {
      const vec d = get(dy.data + m * dy.stride + j, n);
      s += d;
      a += d * (get(x.data + m * x.stride + j, n) - centre) * scale;
    }
    put(sum + j, get(sum + j, n) + s, n);
    put(along + j, get(along + j, n) + a, n);
  });
}

void batch_norm_grad(Rows dy, Rows x, int64_t rows, int64_t c, const float* mean, const float* rstd, const float* slope,
                     const float* common, const float* along, float* dx) {
  for (int64_t m = 0; m < rows; ++m) {
    channels(c, [&](int64_t j, int64_t n) {
      const vec normal = (get(x.data + m * x.stride + j, n) - get(mean + j, n)) * get(rstd + j, n);
      const vec d = get(dy.data + m * dy.stride + j, n) - get(common + j, n) - normal * get(along + j, n);
      put(dx + m * c + j, d * get(slope + j, n), n);
    });
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
