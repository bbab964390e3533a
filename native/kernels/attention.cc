// Attention in windows and between channels: the fused kernels of src/ops/window-attention.ts and
// channel-attention.ts, which define them. On the CPU one window of one head at a time stays in cache; on a GPU the
// same formulas are composed of ATen's batched products.
#include "../core/call.h"
#include "../core/rows.h"

using namespace mimicsr;
using at::Tensor;
using loops::Windows;

namespace {

struct Attributes {
  int64_t heads;
  double scale;
  Sizes window, shift;  // rows and columns of each group in a row
};

Attributes read_attributes(Call& call) {
  Attributes a;
  a.heads = call.integer();
  a.scale = call.number();
  a.window = call.integers();
  a.shift = call.integers();
  return a;
}

std::vector<Windows> groups_of(const Attributes& a, const Tensor& qkv) {
  const auto count = static_cast<int64_t>(a.window.size() / 2);
  const int64_t c = qkv.size(3) / 3, heads = a.heads / count;
  std::vector<Windows> groups;
  for (int64_t g = 0; g < count; ++g) {
    groups.push_back({qkv.size(0), qkv.size(1), qkv.size(2), a.window[2 * g], a.window[2 * g + 1], a.shift[2 * g],
                      a.shift[2 * g + 1], heads, g * heads, c / a.heads, c, static_cast<float>(a.scale)});
  }
  return groups;
}

int64_t windows_of(const Windows& g) { return g.batch * (g.h / g.wh) * (g.w / g.ww); }

// [heads, N, N] (query, key) to [heads, N, queries] (key, query), zeros behind the last query.
Tensor transposed_bias(const Tensor& bias, int64_t queries) {
  const int64_t n = bias.size(1);
  return at::constant_pad_nd(bias.transpose(1, 2), {0, queries - n}).contiguous();
}

// --- composition of ATen's products, for tensors that are not in main memory

// [B, H, W, n C] (one group's channels) to n tensors [windows, heads, N, d].
std::vector<Tensor> to_heads(const Tensor& x, int64_t parts, const Windows& g) {
  const int64_t rolled_h = g.h / g.wh, rolled_w = g.w / g.ww;
  const Tensor own = x.reshape({g.batch, g.h, g.w, parts, -1}).narrow(4, g.first_head * g.d, g.heads * g.d);
  const Tensor rolled = own.roll({-g.shift_h, -g.shift_w}, {1, 2});
  return rolled.reshape({g.batch, rolled_h, g.wh, rolled_w, g.ww, parts, g.heads, g.d})
      .permute({5, 0, 1, 3, 6, 2, 4, 7})
      .reshape({parts, g.batch * rolled_h * rolled_w, g.heads, g.wh * g.ww, g.d})
      .unbind(0);
}

// The way back into the group's channels of `map` [B, H, W, n, C].
void from_heads(const Tensor& x, int64_t part, const Windows& g, Tensor& map) {
  const int64_t rolled_h = g.h / g.wh, rolled_w = g.w / g.ww;
  const Tensor image = x.reshape({g.batch, rolled_h, rolled_w, g.heads, g.wh, g.ww, g.d})
                           .permute({0, 1, 4, 2, 5, 3, 6})
                           .reshape({g.batch, g.h, g.w, g.heads * g.d})
                           .roll({g.shift_h, g.shift_w}, {1, 2});
  map.select(3, part).narrow(3, g.first_head * g.d, g.heads * g.d).copy_(image);
}

// [windows of one picture, 1, N, N], 0 or -100.
Tensor shift_mask(const Windows& g, const Tensor& like) {
  const auto zones = [&](int64_t length, int64_t window, int64_t shift) {
    const Tensor p = at::arange(length, like.options());
    return at::ge(p, length - window).to(at::kFloat).add(at::ge(p, length - shift).to(at::kFloat));
  };
  const Tensor region = zones(g.h, g.wh, g.shift_h).mul(3).unsqueeze(1).add(zones(g.w, g.ww, g.shift_w).unsqueeze(0));
  const Tensor tokens = region.reshape({g.h / g.wh, g.wh, g.w / g.ww, g.ww})
                            .permute({0, 2, 1, 3})
                            .reshape({-1, 1, g.wh * g.ww});
  return at::ne(tokens.unsqueeze(-1), tokens.unsqueeze(-2)).to(at::kFloat).mul(-100.0);
}

Tensor logits(const Tensor& q, const Tensor& k, const Tensor& bias, const Windows& g) {
  Tensor scores = at::matmul(q.mul(g.scale), k.transpose(-1, -2)).add(bias.narrow(0, g.first_head, g.heads));
  if (g.shift_h > 0 || g.shift_w > 0) {
    const Sizes full(scores.sizes().begin(), scores.sizes().end());
    scores = scores.reshape({g.batch, -1, full[1], full[2], full[3]}).add(shift_mask(g, q)).reshape(full);
  }
  return scores;
}

}  // namespace

// qkv [B, H, W, 3C], bias [heads, N, N] -> y [B, H, W, C], lse [B, windows, heads, N]
KERNEL(WindowAttention) {
  const Tensor qkv = call.tensor().contiguous();
  const Tensor& bias = call.tensor();
  const Attributes a = read_attributes(call);
  const int64_t n = bias.size(1), b = qkv.size(0), h = qkv.size(1), w = qkv.size(2), c = qkv.size(3) / 3;
  const Tensor y = at::empty({b, h, w, c}, qkv.options());
  const Tensor lse = at::empty({b, h * w / n, a.heads, n}, qkv.options());
  const auto groups = groups_of(a, qkv);
  if (!on_loops(qkv)) {
    Tensor map = y.unsqueeze(3);
    for (const Windows& g : groups) {
      const auto parts = to_heads(qkv, 3, g);
      const Tensor scores = logits(parts[0], parts[1], bias, g);
      const Tensor level = scores.logsumexp(-1);
      from_heads(at::matmul(scores.sub(level.unsqueeze(-1)).exp(), parts[2]), 0, g, map);
      lse.narrow(2, g.first_head, g.heads).copy_(level.reshape({b, -1, g.heads, n}));
    }
  } else {
    const auto& loop = fast();
    const int64_t queries = loops::round_up(n, loop.lanes);
    const Tensor bias_t = transposed_bias(bias, queries);
    for (const Windows& g : groups) {
      at::parallel_for(0, windows_of(g), 1, [&](int64_t begin, int64_t end) {
        const Tensor scratch = at::empty({loop.window_scratch(g)}, qkv.options());
        for (int64_t window = begin; window < end; ++window) {
          loop.window_forward(g, window, data(qkv), data(bias_t) + g.first_head * n * queries, y.data_ptr<float>(),
                              lse.data_ptr<float>() + window * a.heads * n, scratch.data_ptr<float>());
        }
      });
    }
  }
  call.result(y);
  call.result(lse);
}

// dy, y [B, H, W, C], qkv, bias, lse -> dqkv [B, H, W, 3C], dbias [heads, N, N]
KERNEL(WindowAttentionGrad) {
  const Tensor dy = call.tensor().contiguous();
  const Tensor y = call.tensor().contiguous();
  const Tensor qkv = call.tensor().contiguous();
  const Tensor& bias = call.tensor();
  const Tensor lse = call.tensor().contiguous();
  const Attributes a = read_attributes(call);
  const int64_t n = bias.size(1), b = qkv.size(0), h = qkv.size(1), w = qkv.size(2), c = qkv.size(3) / 3;
  const Tensor dqkv = at::empty_like(qkv);
  const auto groups = groups_of(a, qkv);
  if (!on_loops(qkv)) {
    Tensor map = dqkv.view({b, h, w, 3, c});
    const Tensor dbias = at::empty(bias.sizes(), bias.options());
    for (const Windows& g : groups) {
      const auto parts = to_heads(qkv, 3, g);
      const Tensor &q = parts[0], &k = parts[1], &v = parts[2];
      const Tensor dyh = to_heads(dy, 1, g)[0], yh = to_heads(y, 1, g)[0];
      const Tensor level = lse.narrow(2, g.first_head, g.heads).reshape({-1, g.heads, n, 1});
      const Tensor p = logits(q, k, bias, g).sub(level).exp();
      const Tensor delta = dyh.mul(yh).sum(-1, true);
      const Tensor ds = at::matmul(dyh, v.transpose(-1, -2)).sub(delta).mul(p);
      from_heads(at::matmul(ds, k).mul(g.scale), 0, g, map);
      from_heads(at::matmul(ds.transpose(-1, -2), q).mul(g.scale), 1, g, map);
      from_heads(at::matmul(p.transpose(-1, -2), dyh), 2, g, map);
      dbias.narrow(0, g.first_head, g.heads).copy_(ds.sum(0));
    }
    call.result(dqkv);
    return call.result(dbias);
  }
  const auto& loop = fast();
  const int64_t queries = loops::round_up(n, loop.lanes);
  const Tensor bias_t = transposed_bias(bias, queries);
  // Each part of the windows sums its own bias gradient, so that the sum does not depend on the threads.
  const Parts parts(windows_of(groups[0]), 1, 8);
  const Tensor dbias_t = at::zeros({parts.number, a.heads, n, queries}, qkv.options());
  for (const Windows& g : groups) {
    parallel_parts(parts.number, [&](int64_t part) {
      const Tensor scratch = at::empty({loop.window_scratch(g)}, qkv.options());
      for (int64_t window = parts.begin(part); window < parts.end(part); ++window) {
        loop.window_backward(g, window, data(dy), data(y), data(qkv), data(bias_t) + g.first_head * n * queries,
                             data(lse) + window * a.heads * n, dqkv.data_ptr<float>(),
                             dbias_t.data_ptr<float>() + (part * a.heads + g.first_head) * n * queries,
                             scratch.data_ptr<float>());
      }
    });
  }
  call.result(dqkv);
  call.result(dbias_t.sum(0).narrow(2, 0, n).transpose(1, 2).contiguous());
}
