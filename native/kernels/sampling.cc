// Pixel shuffle, warp, cost volume: the fused kernels of src/ops/pixel-shuffle.ts, warp.ts and cost-volume.ts.
#include "../core/call.h"
#include "../core/rows.h"

using namespace mimicsr;
using at::Tensor;

// x [B, H, W, C r r] -> [B, H r, W r, C]: out[h r + i, w r + j, c] = in[h, w, c r r + i r + j]
KERNEL(PixelShuffle) {
  const Tensor& x = call.tensor();
  const int64_t r = call.integer();
  const int64_t b = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3) / (r * r);
  call.result(x.reshape({b, h, w, c, r, r}).permute({0, 1, 4, 2, 5, 3}).reshape({b, h * r, w * r, c}));
}

KERNEL(PixelUnshuffle) {
  const Tensor& y = call.tensor();
  const int64_t r = call.integer();
  const int64_t b = y.size(0), h = y.size(1) / r, w = y.size(2) / r, c = y.size(3);
  call.result(y.reshape({b, h, r, w, r, c}).permute({0, 1, 3, 5, 2, 4}).reshape({b, h, w, c * r * r}));
}
