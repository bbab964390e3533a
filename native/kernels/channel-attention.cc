// Attention between the channels of a head: the fused kernels of src/ops/channel-attention.ts, which defines them. Maps
// stay where they are in qkv; only the small [d, d] matrices of each head are tensors of their own.
#include "../core/call.h"
#include "../core/rows.h"

using namespace mimicsr;
using at::Tensor;

namespace {

constexpr double kSmallestNorm = 1e-12;

// The three maps of qkv as [B, N, C] views.
struct Maps {
  Tensor q, k, v;
};

Maps maps_of(const Tensor& qkv) {
  const int64_t c = qkv.size(3) / 3;
  const Tensor rows = qkv.view({qkv.size(0), -1, 3 * c});
  return {rows.narrow(2, 0, c), rows.narrow(2, c, c), rows.narrow(2, 2 * c, c)};
}

// [B, N, C] as [B, heads, N, d]
Tensor by_head(const Tensor& x, int64_t heads) {
  return x.unflatten(2, {heads, x.size(2) / heads}).transpose(1, 2);
}

// out[b, h, i, j] = sum over n of a[b, n, h d + i] b[b, n, h d + j]
Tensor products(const Tensor& a, const Tensor& b, int64_t heads) {
  if (!on_loops(a)) return at::matmul(by_head(a, heads).transpose(2, 3), by_head(b, heads));
  const int64_t d = a.size(2) / heads, n = a.size(1);
  const Tensor out = at::empty({a.size(0), heads, d, d}, a.options());
  parallel_parts(a.size(0) * heads, [&](int64_t item) {
    const Tensor scratch = at::empty({n * 4 * fast().lanes}, a.options());
    const int64_t batch = item / heads, at = item % heads * d;
    fast().gemm(d, d, n, data(a) + batch * a.stride(0) + at, 1, a.stride(1), data(b) + batch * b.stride(0) + at,
                b.stride(1), 1, out.data_ptr<float>() + item * d * d, scratch.data_ptr<float>());
  });
  return out;
}

// out[b, n, h d + j] = sum over i of x[b, n, h d + i] matrix[b, h, i, j], into the view `out` [B, N, C]
void apply(const Tensor& x, const Tensor& matrices, int64_t heads, Tensor out) {
  if (!on_loops(x)) {
    by_head(out, heads).copy_(at::matmul(by_head(x, heads), matrices));
    return;
  }
  const int64_t d = x.size(2) / heads, n = x.size(1);
  const Tensor dense = matrices.contiguous();
  parallel_parts(x.size(0) * heads, [&](int64_t item) {
    const Tensor packed = at::empty({d, loops::round_up(d, fast().lanes)}, x.options());
    fast().pack(data(dense) + item * d * d, d, 1, d, d, packed.data_ptr<float>());
    const int64_t batch = item / heads, at = item % heads * d;
    fast().linear({data(x) + batch * x.stride(0) + at, x.stride(1)}, n, d, data(packed), d, nullptr, loops::Act::kNone,
                  0, {out.data_ptr<float>() + batch * out.stride(0) + at, out.stride(1)});
  });
}

// max(|x_i|, 1e-12) over the pixels: [B, N, C] to [B, C]
Tensor norms_of(const Tensor& x) {
  if (!on_loops(x)) return x.square().sum(1).sqrt().clamp_min(kSmallestNorm);
  const int64_t c = x.size(2);
  const Tensor squares = at::zeros({x.size(0), c}, x.options()), zero = at::zeros({c}, x.options());
  parallel_parts(x.size(0), [&](int64_t b) {
    fast().column_squares({data(x) + b * x.stride(0), x.stride(1)}, x.size(1), c, data(zero),
                          squares.data_ptr<float>() + b * c);
  });
  return squares.sqrt_().clamp_min_(kSmallestNorm);
}

// [B, C] as rows (q_i) or columns (k_j) of [B, heads, d, d]
Tensor rows_by_head(const Tensor& x, int64_t heads) { return x.reshape({x.size(0), heads, -1, 1}); }
Tensor columns_by_head(const Tensor& x, int64_t heads) { return x.reshape({x.size(0), heads, 1, -1}); }

}  // namespace

// qkv [B, H, W, 3C], temperature [heads] -> y [B, H, W, C], p and cosine [B, heads, d, d], norms [B, 2, C]
KERNEL(ChannelAttention) {
  const Tensor qkv = call.tensor().contiguous();
  const Tensor temperature = call.tensor().reshape({-1, 1, 1});
  const int64_t heads = call.integer();
  const Maps m = maps_of(qkv);
  const Tensor norm_q = norms_of(m.q), norm_k = norms_of(m.k);
  const Tensor cosine =
      products(m.q, m.k, heads).div(rows_by_head(norm_q, heads)).div(columns_by_head(norm_k, heads));
  const Tensor p = at::softmax(cosine.mul(temperature), -1);
  const Tensor y = at::empty({qkv.size(0), qkv.size(1), qkv.size(2), m.q.size(2)}, qkv.options());
  apply(m.v, p.transpose(2, 3), heads, y.view(m.q.sizes()));
  call.result(y);
  call.result(p);
  call.result(cosine);
  call.result(at::stack({norm_q, norm_k}, 1));
}

// dy [B, H, W, C], qkv, temperature, p, cosine, norms -> dqkv, dtemperature
KERNEL(ChannelAttentionGrad) {
  const Tensor dy = call.tensor().contiguous();
  const Tensor qkv = call.tensor().contiguous();
  const Tensor temperature = call.tensor().reshape({-1, 1, 1});
  const Tensor& p = call.tensor();
  const Tensor& cosine = call.tensor();
  const Tensor& norms = call.tensor();
  const int64_t heads = call.integer();
  const Maps m = maps_of(qkv);
  const Tensor dmaps = dy.view(m.q.sizes());
  const Tensor dqkv = at::empty_like(qkv);
  const Maps d = maps_of(dqkv);

  apply(dmaps, p, heads, d.v);
  const Tensor weighted = p.mul(products(dmaps, m.v, heads));  // P dP
  const Tensor dlogits = weighted.sub(p.mul(weighted.sum(-1, true)));
  const Tensor dcosine = dlogits.mul(temperature);
  const Tensor norm_q = rows_by_head(norms.select(1, 0), heads), norm_k = columns_by_head(norms.select(1, 1), heads);
  const Tensor dproduct = dcosine.div(norm_q).div(norm_k);
  const Tensor along = dcosine.mul(cosine);
  apply(m.k, dproduct.transpose(2, 3), heads, d.q);
  apply(m.q, dproduct, heads, d.k);
  // What the norms take away; a map that is 0 everywhere has no direction, and its term is 0.
  const auto factor = [&](const Tensor& sums, const Tensor& norm) {
    return sums.div(norm.square()).reshape({qkv.size(0), 1, m.q.size(2)}).neg();
  };
  Tensor dq = d.q, dk = d.k;
  dq.addcmul_(m.q, factor(along.sum(3, true), norm_q));
  dk.addcmul_(m.k, factor(along.sum(2, true), norm_k));
  call.result(dqkv);
  call.result(dlogits.mul(cosine).sum({0, 2, 3}));
}
