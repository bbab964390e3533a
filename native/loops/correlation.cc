// One row of a cost volume: products of each pixel's channels with those of the pixels around it.
#include "simd.h"
#include "table.h"

namespace mimicsr::loops::LOOPS_SET {

void correlate(const float* first, const float* around, int64_t around_row, int64_t w, int64_t c, int64_t side,
               float share, float* volume) {
  for (int64_t x = 0; x < w; ++x) {
    for (int64_t dy = 0; dy < side; ++dy) {
      for (int64_t dx = 0; dx < side; ++dx) {
        const float* a = first + x * c;
        const float* b = around + dy * around_row + (x + dx) * c;
        vec sum{};
        int64_t k = 0;
        for (; k + V <= c; k += V) sum += load(a + k) * load(b + k);
        if (k < c) sum += load_part(a + k, c - k) * load_part(b + k, c - k);
        *volume++ = lanes_sum(sum) * share;
      }
    }
  }
}

void correlate_grad(const float* dvolume, const float* first, const float* around, int64_t around_row, int64_t w,
                    int64_t c, int64_t side, float share, float* dfirst, float* daround) {
  for (int64_t x = 0; x < w; ++x) {
    for (int64_t dy = 0; dy < side; ++dy) {
      for (int64_t dx = 0; dx < side; ++dx) {
        const float d = *dvolume++ * share;
        const int64_t at = dy * around_row + (x + dx) * c;
        for (int64_t k = 0; k < c; ++k) {
          dfirst[x * c + k] += d * around[at + k];
          daround[at + k] += d * first[x * c + k];
        }
      }
    }
  }
}

}  // namespace mimicsr::loops::LOOPS_SET
