// Pixel shuffle, warp and cost volume: the fused kernels of src/ops/pixel-shuffle.ts, warp.ts and cost-volume.ts, which
// define them.
#include <cmath>

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

namespace {

// The neighbours of a sample position on one axis, their weights, and whether they exist.
struct Tap {
  int64_t index[2];
  float weight[2];
  float inside[2];
};

// Far positions are brought to just outside, so that no index overflows; NaN stays and makes NaN weights.
Tap tap_of(float position, int64_t size) {
  const float near = position < -2 ? -2.0f : position > static_cast<float>(size) + 1 ? static_cast<float>(size) + 1 : position;
  const float low = std::floor(near);
  const float second = near - low;
  const auto first = std::isnan(low) ? int64_t{0} : static_cast<int64_t>(low);
  Tap tap;
  for (int64_t k = 0; k < 2; ++k) {
    const int64_t at = first + k;
    const bool exists = at >= 0 && at < size;
    tap.index[k] = exists ? at : 0;
    tap.inside[k] = exists ? 1.0f : 0.0f;
    tap.weight[k] = k == 0 ? 1 - second : second;
  }
  return tap;
}

struct Sample {
  int64_t pixel[4];  // rows of the image as [B H W, C]
  float weight[4];   // 0 outside
  float along_x[4], along_y[4];
};

Sample sample_at(const float* flow, int64_t b, int64_t y, int64_t x, int64_t h, int64_t w, float factor_x,
                 float factor_y) {
  const Tap tx = tap_of(static_cast<float>(x) + flow[0] * factor_x, w);
  const Tap ty = tap_of(static_cast<float>(y) + flow[1] * factor_y, h);
  Sample s;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const int k = 2 * i + j;
      const float inside = ty.inside[i] * tx.inside[j];
      s.pixel[k] = (b * h + ty.index[i]) * w + tx.index[j];
      s.weight[k] = ty.weight[i] * tx.weight[j] * inside;
      s.along_x[k] = (j == 0 ? -ty.weight[i] : ty.weight[i]) * inside;
      s.along_y[k] = (i == 0 ? -tx.weight[j] : tx.weight[j]) * inside;
    }
  }
  return s;
}

// The same as tensors, for a GPU: [4, N] each, N = B H W.
struct Samples {
  Tensor pixel, weight, along_x, along_y;
};

Samples samples_of(const Tensor& flow, double factor_x, double factor_y) {
  const int64_t b = flow.size(0), h = flow.size(1), w = flow.size(2);
  const auto options = flow.options();
  struct Axis {
    Tensor index[2], weight[2], inside[2];
  };
  const auto axis = [](const Tensor& position, int64_t size) {
    const Tensor near = position.clamp(-2, size + 1);
    const Tensor low = near.floor();
    Axis a;
    for (int k = 0; k < 2; ++k) {
      const Tensor at = low.add(k);
      a.index[k] = at.nan_to_num().clamp(0, size - 1).to(at::kLong);
      a.inside[k] = at.ge(0).logical_and(at.le(size - 1)).to(at::kFloat);
    }
    a.weight[1] = near.sub(low);
    a.weight[0] = a.weight[1].neg().add(1);
    return a;
  };
  const Axis x = axis(at::arange(w, options).add(flow.select(3, 0).mul(factor_x)), w);
  const Axis y = axis(at::arange(h, options).unsqueeze(1).add(flow.select(3, 1).mul(factor_y)), h);
  const Tensor picture = at::arange(b, options.dtype(at::kLong)).mul(h * w).reshape({b, 1, 1});
  std::vector<Tensor> pixel, weight, along_x, along_y;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const Tensor inside = y.inside[i].mul(x.inside[j]);
      pixel.push_back(picture.add(y.index[i].mul(w)).add(x.index[j]).reshape({-1}));
      weight.push_back(y.weight[i].mul(x.weight[j]).mul(inside).reshape({-1}));
      along_x.push_back(y.weight[i].mul(j == 0 ? -1 : 1).mul(inside).reshape({-1}));
      along_y.push_back(x.weight[j].mul(i == 0 ? -1 : 1).mul(inside).reshape({-1}));
    }
  }
  return {at::stack(pixel), at::stack(weight), at::stack(along_x), at::stack(along_y)};
}

}  // namespace

// image [B, H, W, C], flow [B, H, W, 2] -> [B, H, W, C]
KERNEL(Warp) {
  const Tensor image = call.tensor().contiguous();
  const Tensor flow = call.tensor().contiguous();
  const double factor_x = call.number(), factor_y = call.number();
  const int64_t b = image.size(0), h = image.size(1), w = image.size(2), c = image.size(3);
  if (!on_loops(image)) {
    const Samples s = samples_of(flow, factor_x, factor_y);
    const Tensor four = image.reshape({-1, c}).index_select(0, s.pixel.reshape({-1})).reshape({4, -1, c});
    return call.result(four.mul(s.weight.unsqueeze(2)).sum(0).reshape(image.sizes()));
  }
  const Tensor y = at::empty_like(image);
  at::parallel_for(0, b * h, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t x = 0; x < w; ++x) {
        const Sample s = sample_at(data(flow) + (row * w + x) * 2, row / h, row % h, x, h, w,
                                   static_cast<float>(factor_x), static_cast<float>(factor_y));
        float* to = y.data_ptr<float>() + (row * w + x) * c;
        for (int64_t k = 0; k < c; ++k) {
          to[k] = s.weight[0] * data(image)[s.pixel[0] * c + k] + s.weight[1] * data(image)[s.pixel[1] * c + k] +
                  s.weight[2] * data(image)[s.pixel[2] * c + k] + s.weight[3] * data(image)[s.pixel[3] * c + k];
        }
      }
    }
  });
  call.result(y);
}

// dy, image [B, H, W, C], flow -> dimage, dflow
KERNEL(WarpGrad) {
  const Tensor dy = call.tensor().contiguous();
  const Tensor image = call.tensor().contiguous();
  const Tensor flow = call.tensor().contiguous();
  const double factor_x = call.number(), factor_y = call.number();
  const int64_t b = image.size(0), h = image.size(1), w = image.size(2), c = image.size(3);
  if (!on_loops(image)) {
    const Samples s = samples_of(flow, factor_x, factor_y);
    const Tensor rows = dy.reshape({1, -1, c}), pixels = s.pixel.reshape({-1});
    const Tensor flat = image.reshape({-1, c});
    call.result(at::zeros_like(flat)
                    .index_add(0, pixels, rows.mul(s.weight.unsqueeze(2)).reshape({-1, c}))
                    .reshape(image.sizes()));
    const Tensor per = flat.index_select(0, pixels).reshape({4, -1, c}).mul(rows).sum(2);
    const Tensor dx = per.mul(s.along_x).sum(0).mul(factor_x), dv = per.mul(s.along_y).sum(0).mul(factor_y);
    return call.result(at::stack({dx, dv}, 1).reshape(flow.sizes()));
  }
  const Tensor dimage = at::zeros_like(image), dflow = at::empty_like(flow);
  // Samples may fall anywhere in their picture, so a picture is one piece of work.
  parallel_parts(b, [&](int64_t picture) {
    for (int64_t row = picture * h; row < (picture + 1) * h; ++row) {
      for (int64_t x = 0; x < w; ++x) {
        const Sample s = sample_at(data(flow) + (row * w + x) * 2, picture, row % h, x, h, w,
                                   static_cast<float>(factor_x), static_cast<float>(factor_y));
        const float* from = data(dy) + (row * w + x) * c;
        float steps[2] = {0, 0};
        for (int tap = 0; tap < 4; ++tap) {
          const float* pixel = data(image) + s.pixel[tap] * c;
          float* to = dimage.data_ptr<float>() + s.pixel[tap] * c;
          float along = 0;
          for (int64_t k = 0; k < c; ++k) {
            to[k] += s.weight[tap] * from[k];
            along += pixel[k] * from[k];
          }
          steps[0] += along * s.along_x[tap];
          steps[1] += along * s.along_y[tap];
        }
        dflow.data_ptr<float>()[(row * w + x) * 2] = steps[0] * static_cast<float>(factor_x);
        dflow.data_ptr<float>()[(row * w + x) * 2 + 1] = steps[1] * static_cast<float>(factor_y);
      }
    }
  });
  call.result(dimage);
  call.result(dflow);
}

namespace {

// [B, H + 2r, W + 2r, C]. ATen pads into the layout that x's strides suggest, and the loops read rows of channels.
Tensor with_border(const Tensor& x, int64_t radius) {
  return at::constant_pad_nd(x, {0, 0, radius, radius, radius, radius}).contiguous();
}

Tensor window_at(const Tensor& around, const Tensor& like, int64_t y, int64_t x) {
  return around.narrow(1, y, like.size(1)).narrow(2, x, like.size(2));
}

}  // namespace

// first, second [B, H, W, C] -> [B, H, W, (2 radius + 1)^2]
KERNEL(CostVolume) {
  const Tensor first = call.tensor().contiguous();
  const Tensor& second = call.tensor();
  const int64_t radius = call.integer(), side = 2 * radius + 1;
  const Tensor around = with_border(second, radius);
  const int64_t b = first.size(0), h = first.size(1), w = first.size(2), c = first.size(3);
  const Tensor volume = at::empty({b, h, w, side * side}, first.options());
  if (!on_loops(first)) {
    for (int64_t k = 0; k < side * side; ++k) {
      volume.select(3, k).copy_(first.mul(window_at(around, first, k / side, k % side)).mean(3));
    }
    return call.result(volume);
  }
  const float share = 1.0f / static_cast<float>(c);
  at::parallel_for(0, b * h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      fast().correlate(data(first) + row * w * c,
                       data(around) + ((row / h) * (h + 2 * radius) + row % h) * (w + 2 * radius) * c,
                       (w + 2 * radius) * c, w, c, side, share, volume.data_ptr<float>() + row * w * side * side);
    }
  });
  call.result(volume);
}

// dy [B, H, W, (2 radius + 1)^2], first, second -> dfirst, dsecond
KERNEL(CostVolumeGrad) {
  const Tensor dy = call.tensor().contiguous();
  const Tensor first = call.tensor().contiguous();
  const Tensor& second = call.tensor();
  const int64_t radius = call.integer(), side = 2 * radius + 1;
  const int64_t b = first.size(0), h = first.size(1), w = first.size(2), c = first.size(3);
  const Tensor around = with_border(second, radius);
  const Tensor dfirst = at::zeros_like(first), daround = at::zeros_like(around);
  if (!on_loops(first)) {
    for (int64_t k = 0; k < side * side; ++k) {
      const Tensor d = dy.narrow(3, k, 1).div(static_cast<double>(c));
      dfirst.addcmul_(d, window_at(around, first, k / side, k % side));
      window_at(daround, first, k / side, k % side).addcmul_(d, first);
    }
  } else {
    const float share = 1.0f / static_cast<float>(c);
    const int64_t wide = (w + 2 * radius) * c;
    // Rows of one picture overlap in the gradient of the second map: a picture is one piece of work.
    parallel_parts(b, [&](int64_t picture) {
      for (int64_t y = 0; y < h; ++y) {
        const int64_t row = picture * h + y, start = (picture * (h + 2 * radius) + y) * wide;
        fast().correlate_grad(data(dy) + row * w * side * side, data(first) + row * w * c, data(around) + start, wide,
                              w, c, side, share, dfirst.data_ptr<float>() + row * w * c,
                              daround.data_ptr<float>() + start);
      }
    });
  }
  call.result(dfirst);
  call.result(window_at(daround, first, radius, radius).contiguous());
}
