// GELU, layer norm and batch norm, forward and backward: the fused kernels of src/ops/gelu.ts, layer-norm.ts and
// batch-norm.ts, which define them. On a GPU they are ATen's.
#include "../core/call.h"
#include "../core/rows.h"

using namespace mimicsr;
using at::Tensor;


namespace {

constexpr int64_t kStretch = 1 << 14;  // elements that are worth a thread
constexpr int64_t kMostParts = 32;     // partial sums

// Rows of c channels that are worth a thread.
int64_t worth_a_thread(int64_t c) { return std::max<int64_t>(1, kStretch / std::max<int64_t>(1, c)); }

Tensor partial(int64_t parts, int64_t c, const Tensor& like) { return at::zeros({parts, c}, like.options()); }

}  // namespace

KERNEL(Gelu) {
  const Tensor& x = call.tensor();
  if (!on_loops(x)) return call.result(at::gelu(x));
  const Tensor dense = x.contiguous();
  const Tensor y = at::empty_like(dense);
  at::parallel_for(0, dense.numel(), kStretch, [&](int64_t begin, int64_t end) {
    fast().gelu(data(dense) + begin, y.data_ptr<float>() + begin, end - begin);
  });
  call.result(y);
}

// ATen's own kernel is not used on the CPU: oneDNN's GELU gradient in Debian's build is wrong for strided gradients.
KERNEL(GeluGrad) {
  const Tensor& dy = call.tensor();
  const Tensor& x = call.tensor();
  if (!on_loops(x)) return call.result(at::gelu_backward(dy, x));
  const Tensor dense = x.contiguous(), gradient = dy.contiguous();
  const Tensor dx = at::empty_like(dense);
  at::parallel_for(0, dense.numel(), kStretch, [&](int64_t begin, int64_t end) {
    fast().gelu_grad(data(gradient) + begin, data(dense) + begin, dx.data_ptr<float>() + begin,
                                        end - begin);
  });
  call.result(dx);
}

// x [..., C], weight, bias [C] -> y, xhat [..., C], rstd [..., 1]
KERNEL(LayerNorm) {
  const Tensor& x = call.tensor();
  const Tensor weight = call.tensor().contiguous();
  const Tensor bias = call.tensor().contiguous();
  const double epsilon = call.number();
  if (!on_loops(x)) {
    const auto [y, mean, rstd] = at::native_layer_norm(x, {x.size(-1)}, weight, bias, epsilon);
    call.result(y);
    call.result(x.sub(mean).mul(rstd));
    return call.result(rstd);
  }
  const RowView in = rows_of(x);
  Sizes narrow(x.sizes().begin(), x.sizes().end());
  narrow.back() = 1;
  const Tensor y = at::empty(x.sizes(), x.options()), xhat = at::empty(x.sizes(), x.options());
  const Tensor rstd = at::empty(narrow, x.options());
  at::parallel_for(0, in.count, worth_a_thread(in.c), [&](int64_t begin, int64_t end) {
    fast().layer_norm(from_row(in, begin), end - begin, in.c, data(weight), data(bias),
                                         static_cast<float>(epsilon), y.data_ptr<float>() + begin * in.c,
                                         xhat.data_ptr<float>() + begin * in.c, rstd.data_ptr<float>() + begin);
  });
  call.result(y);
  call.result(xhat);
  call.result(rstd);
}

// dy, xhat [..., C], rstd [..., 1], weight [C] -> dx, dweight, dbias
KERNEL(LayerNormGrad) {
  const Tensor& dy = call.tensor();
  const Tensor xhat = call.tensor().contiguous();
  const Tensor rstd = call.tensor().contiguous();
  const Tensor weight = call.tensor().contiguous();
  if (!on_loops(dy)) {
    const Tensor g = dy.mul(weight);
    const Tensor along = xhat.mul(g.mul(xhat).mean(-1, true));
    Sizes leading;
    for (int64_t d = 0; d + 1 < dy.dim(); ++d) leading.push_back(d);
    call.result(g.sub(g.mean(-1, true)).sub(along).mul(rstd));
    call.result(dy.mul(xhat).sum(leading));
    return call.result(dy.sum(leading));
  }
  const RowView in = rows_of(dy);
  const Tensor dx = at::empty(dy.sizes(), dy.options());
  const Parts parts(in.count, worth_a_thread(in.c) / 4, kMostParts);
  const Tensor dweight = partial(parts.number, in.c, dy), dbias = partial(parts.number, in.c, dy);
  parallel_parts(parts.number, [&](int64_t part) {
    const int64_t begin = parts.begin(part);
    fast().layer_norm_grad(
        from_row(in, begin), data(xhat) + begin * in.c, data(rstd) + begin, data(weight), parts.end(part) - begin, in.c,
        dx.data_ptr<float>() + begin * in.c, dweight.data_ptr<float>() + part * in.c,
        dbias.data_ptr<float>() + part * in.c);
  });
  call.result(dx);
  call.result(dweight.sum(0));
  call.result(dbias.sum(0));
}

namespace {

// Sum over the rows of `view` by parts: add(rows, count, destination [C]).
template <class Add>
Tensor column_sum(const RowView& view, const Add& add) {
  const Parts parts(view.count, worth_a_thread(view.c) / 4, kMostParts);
  const Tensor sums = partial(parts.number, view.c, view.tensor);
  parallel_parts(parts.number, [&](int64_t part) {
    const int64_t begin = parts.begin(part);
    add(begin, parts.end(part) - begin, sums.data_ptr<float>() + part * view.c);
  });
  return sums.sum(0);
}

Sizes all_but_last(const Tensor& x) {
  Sizes axes;
  for (int64_t d = 0; d + 1 < x.dim(); ++d) axes.push_back(d);
  return axes;
}

}  // namespace

// x [..., C] -> its sum over all other axes, [C]: the gradient of a bias.
KERNEL(ChannelSum) {
  const Tensor& x = call.tensor();
  if (!on_loops(x)) return call.result(x.sum(all_but_last(x)));
  const RowView in = rows_of(x);
  call.result(column_sum(in, [&](int64_t begin, int64_t count, float* to) {
    fast().column_sums(from_row(in, begin), count, in.c, to);
  }));
}

// x [..., C], weight, bias [C] -> y, and mean, biased variance, rstd of each channel
KERNEL(BatchNormTraining) {
  const Tensor& x = call.tensor();
  const Tensor& weight = call.tensor();
  const Tensor& bias = call.tensor();
  const double epsilon = call.number();
  if (!on_loops(x)) {
    const Sizes axes = all_but_last(x);
    const Tensor mean = x.mean(axes);
    const Tensor variance = x.sub(mean).square().mean(axes);
    const Tensor rstd = variance.add(epsilon).rsqrt();
    const Tensor slope = weight.mul(rstd);
    call.result(x.sub(mean).mul(slope).add(bias));
    call.result(mean);
    call.result(variance);
    return call.result(rstd);
  }
  const auto& loop = fast();
  const RowView in = rows_of(x);
  const double share = 1.0 / static_cast<double>(in.count);
  const Tensor mean = column_sum(in, [&](int64_t begin, int64_t count, float* to) {
                        loop.column_sums(from_row(in, begin), count, in.c, to);
                      }).mul(share);
  const Tensor variance = column_sum(in, [&](int64_t begin, int64_t count, float* to) {
                            loop.column_squares(from_row(in, begin), count, in.c, data(mean), to);
                          }).mul(share);
  const Tensor rstd = variance.add(epsilon).rsqrt();
  const Tensor slope = weight.mul(rstd).contiguous();
  const Tensor offset = bias.sub(mean.mul(slope)).contiguous();
  const Tensor y = at::empty(x.sizes(), x.options());
  at::parallel_for(0, in.count, worth_a_thread(in.c), [&](int64_t begin, int64_t end) {
    loop.column_affine(from_row(in, begin), end - begin, in.c, data(slope), data(offset),
                       y.data_ptr<float>() + begin * in.c);
  });
  call.result(y);
  call.result(mean);
  call.result(variance);
  call.result(rstd);
}

// dy, x [..., C], weight, mean, rstd [C] -> dx, dweight, dbias
KERNEL(BatchNormTrainingGrad) {
  const Tensor& dy = call.tensor();
  const Tensor& x = call.tensor();
  const Tensor& weight = call.tensor();
  const Tensor mean = call.tensor().contiguous();
  const Tensor rstd = call.tensor().contiguous();
  if (!on_loops(x)) {
    const Sizes axes = all_but_last(x);
    const double share = static_cast<double>(x.size(-1)) / static_cast<double>(x.numel());
    const Tensor xhat = x.sub(mean).mul(rstd);
    const Tensor dbias = dy.sum(axes), dweight = dy.mul(xhat).sum(axes);
    call.result(dy.sub(dbias.mul(share)).sub(xhat.mul(dweight.mul(share))).mul(weight.mul(rstd)));
    call.result(dweight);
    return call.result(dbias);
  }
  const auto& loop = fast();
  const RowView in = rows_of(x), gradient = rows_of(dy);
  const Parts parts(in.count, worth_a_thread(in.c) / 4, kMostParts);
  const Tensor sums = partial(parts.number, 2 * in.c, x);
  parallel_parts(parts.number, [&](int64_t part) {
    const int64_t begin = parts.begin(part);
    float* to = sums.data_ptr<float>() + part * 2 * in.c;
    loop.batch_norm_sums(from_row(gradient, begin), from_row(in, begin), parts.end(part) - begin, in.c, data(mean),
                         data(rstd), to, to + in.c);
  });
  const Tensor total = sums.sum(0);
  const Tensor dbias = total.narrow(0, 0, in.c), dweight = total.narrow(0, in.c, in.c);
  const Tensor means = total.div(static_cast<double>(in.count));
  const Tensor slope = weight.mul(rstd).contiguous();
  const Tensor dx = at::empty(x.sizes(), x.options());
  at::parallel_for(0, in.count, worth_a_thread(in.c), [&](int64_t begin, int64_t end) {
    loop.batch_norm_grad(from_row(gradient, begin), from_row(in, begin), end - begin, in.c, data(mean), data(rstd),
                         data(slope), data(means), data(means) + in.c, dx.data_ptr<float>() + begin * in.c);
  });
  call.result(dx);
  call.result(dweight);
  call.result(dbias);
}
