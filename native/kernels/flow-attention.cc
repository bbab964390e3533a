// Attention through optical flow: the fused kernels of src/ops/flow-attention.ts, which defines them. On the CPU one pixel
// at a time; on a GPU the same formulas, tap by tap, over all pixels.
#include "../core/call.h"
#include "../core/rows.h"

using namespace mimicsr;
using at::Tensor;
using loops::FlowWindow;

namespace {

FlowWindow window_of(Call& call, const Tensor& q) {
  const int64_t heads = call.integer(), radius = call.integer(), d = q.size(3) / heads;
  return {q.size(1), q.size(2), heads, d, radius, static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)))};
}

// The taps of all pixels as tensors: for each, its row of the map as [N, C] and 1 inside the picture, 0 outside.
struct Taps {
  int64_t side;
  std::vector<Tensor> row, inside;  // [N], [N, 1]
  Tensor beyond_x, beyond_y;        // [N, 1]
};

Taps taps_of(const FlowWindow& g, const Tensor& flow) {
  const auto options = flow.options();
  const int64_t b = flow.size(0);
  struct Axis {
    std::vector<Tensor> index, inside;
    Tensor beyond;
  };
  const auto axis = [&](const Tensor& position, int64_t size) {
    const Tensor near = position.clamp(-g.radius - 2, size + g.radius + 1).reshape({-1});
    const Tensor low = near.floor();
    Axis a;
    for (int64_t i = 0; i < 2 * g.radius + 2; ++i) {
      const Tensor at = low.add(i - g.radius);
      a.index.push_back(at.nan_to_num().clamp(0, size - 1).to(at::kLong));
      a.inside.push_back(at.ge(0).logical_and(at.le(size - 1)).to(at::kFloat));
    }
    a.beyond = near.sub(low).unsqueeze(1);
    return a;
  };
  const Axis x = axis(at::arange(g.w, options).add(flow.select(3, 0)), g.w);
  const Axis y = axis(at::arange(g.h, options).unsqueeze(1).add(flow.select(3, 1)), g.h);
  const Tensor start = at::arange(b, options.dtype(at::kLong)).mul(g.h * g.w).repeat_interleave(g.h * g.w);
  Taps taps{2 * g.radius + 2, {}, {}, x.beyond, y.beyond};
  for (int64_t i = 0; i < taps.side; ++i) {
    for (int64_t j = 0; j < taps.side; ++j) {
      taps.row.push_back(start.add(y.index[i].mul(g.w)).add(x.index[j]));
      taps.inside.push_back(y.inside[i].mul(x.inside[j]).unsqueeze(1));
    }
  }
  return taps;
}

// [N, heads, d] twice to [side, side, N, heads].
Tensor products(const Taps& taps, const Tensor& own, const Tensor& map) {
  std::vector<Tensor> planes;
  for (size_t t = 0; t < taps.row.size(); ++t)
    planes.push_back(map.index_select(0, taps.row[t]).mul(own).sum(2).mul(taps.inside[t]));
  return at::stack(planes).reshape({taps.side, taps.side, own.size(0), own.size(1)});
}

// [side, side, N, heads] to [side - 1, side - 1, N, heads], and its reverse.
Tensor interpolate(const Taps& taps, const Tensor& at) {
  const int64_t less = taps.side - 1;
  const Tensor lines = at::lerp(at.narrow(0, 0, less), at.narrow(0, 1, less), taps.beyond_y);
  return at::lerp(lines.narrow(1, 0, less), lines.narrow(1, 1, less), taps.beyond_x);
}
Tensor spread(const Taps& taps, const Tensor& between) {
  const auto share = [](const Tensor& x, const Tensor& beyond, bool rows) {
    const auto pad = [rows](const Tensor& y, int64_t before) {
      const std::vector<int64_t> own{before, 1 - before};
      std::vector<int64_t> sizes(rows ? 6 : 4, 0);
      sizes.insert(sizes.end(), own.begin(), own.end());
      return at::constant_pad_nd(y, sizes);
    };
    return pad(x.mul(1 - beyond), 0).add_(pad(x.mul(beyond), 1));
  };
  return share(share(between, taps.beyond_x, false), taps.beyond_y, true);
}

// One tap's [N, heads, 1], 0 where it lies outside.
Tensor weight_of(const Taps& taps, const Tensor& weights, size_t t) {
  return weights.flatten(0, 1)[static_cast<int64_t>(t)].mul(taps.inside[t]).unsqueeze(2);
}

Tensor weighted(const Taps& taps, const Tensor& weights, const Tensor& map) {
  const Tensor sum = at::zeros_like(map);
  for (size_t t = 0; t < taps.row.size(); ++t)
    sum.addcmul_(map.index_select(0, taps.row[t]), weight_of(taps, weights, t));
  return sum;
}

Tensor scattered(const Taps& taps, const Tensor& weights, const Tensor& own) {
  Tensor sum = at::zeros_like(own);
  for (size_t t = 0; t < taps.row.size(); ++t)
    sum.index_add_(0, taps.row[t], own.mul(weight_of(taps, weights, t)));
  return sum;
}

}  // namespace

// q, k, v [B, H, W, C], flow [B, H, W, 2] -> y [B, H, W, C], p: the attention, as the gradient takes it back
KERNEL(FlowAttention) {
  const Tensor q = call.tensor().contiguous(), k = call.tensor().contiguous(), v = call.tensor().contiguous();
  const Tensor flow = call.tensor().contiguous();
  const FlowWindow g = window_of(call, q);
  const int64_t n = q.size(0) * g.h * g.w, samples = (2 * g.radius + 1) * (2 * g.radius + 1);
  if (!on_loops(q)) {
    const auto heads = [&](const Tensor& x) { return x.reshape({n, g.heads, g.d}); };
    const Taps taps = taps_of(g, flow);
    const Tensor logits = interpolate(taps, products(taps, heads(q), heads(k))).mul(g.scale);
    const Tensor p = logits.flatten(0, 1).softmax(0).reshape(logits.sizes());
    call.result(weighted(taps, spread(taps, p), heads(v)).reshape(q.sizes()));
    return call.result(p);
  }
  const Tensor y = at::empty_like(q), p = at::empty({n, samples, g.heads}, q.options());
  at::parallel_for(0, n, 256, [&](int64_t begin, int64_t end) {
    const Tensor scratch = at::empty({fast().flow_attention_scratch(g)}, q.options());
    fast().flow_attention(g, data(q), data(k), data(v), data(flow), y.data_ptr<float>(), p.data_ptr<float>(), begin, end,
                          scratch.data_ptr<float>());
  });
  call.result(y);
  call.result(p);
}

// dy, q, k, v, flow, p -> dq, dk, dv
KERNEL(FlowAttentionGrad) {
  const Tensor dy = call.tensor().contiguous();
  const Tensor q = call.tensor().contiguous(), k = call.tensor().contiguous(), v = call.tensor().contiguous();
  const Tensor flow = call.tensor().contiguous(), p = call.tensor().contiguous();
  const FlowWindow g = window_of(call, q);
  const int64_t pixels = g.h * g.w;
  if (!on_loops(q)) {
    const auto heads = [&](const Tensor& x) { return x.reshape({-1, g.heads, g.d}); };
    const Taps taps = taps_of(g, flow);
    const Tensor dp = interpolate(taps, products(taps, heads(dy), heads(v)));
    const Tensor along = dp.mul(p).sum(at::IntArrayRef{0, 1}, true);
    const Tensor dproducts = spread(taps, dp.sub(along).mul(p).mul(g.scale));
    call.result(weighted(taps, dproducts, heads(k)).reshape(q.sizes()));
    call.result(scattered(taps, dproducts, heads(q)).reshape(q.sizes()));
    return call.result(scattered(taps, spread(taps, p), heads(dy)).reshape(q.sizes()));
  }
  const Tensor dq = at::empty_like(q), dk = at::zeros_like(k), dv = at::zeros_like(v);
  // Taps may fall anywhere in their picture, so a picture is one piece of work.
  parallel_parts(q.size(0), [&](int64_t picture) {
    const Tensor scratch = at::empty({fast().flow_attention_scratch(g)}, q.options());
    fast().flow_attention_grad(g, data(dy), data(q), data(k), data(v), data(flow), data(p), dq.data_ptr<float>(),
                               dk.data_ptr<float>(), dv.data_ptr<float>(), picture * pixels, (picture + 1) * pixels,
                               scratch.data_ptr<float>());
  });
  call.result(dq);
  call.result(dk);
  call.result(dv);
}
