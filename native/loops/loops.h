// Hand-written CPU loops, float32, for what ATen runs slowly: small matrix products, depthwise convolutions, norms,
// attention in windows, sampling. Plain functions on plain memory: they allocate nothing, start no thread and know no
// tensor; native/kernels/ splits the work and calls them. They say what they compute in terms of rows of channels.
#pragma once

#include <cstdint>

namespace mimicsr::loops {

enum class Act : int { kNone = 0, kRelu = 1, kLeakyRelu = 2 };

// Rows of `c` contiguous floats, `stride` floats apart.
struct Rows {
  const float* data;
  int64_t stride;
};
struct OutRows {
  float* data;
  int64_t stride;
};

// NHWC map: channels contiguous, other strides in floats.
struct Map {
  const float* data;
  int64_t batch_stride, row_stride, pixel_stride;
  int64_t h, w;
};
struct OutMap {
  float* data;
  int64_t batch_stride, row_stride, pixel_stride;
  int64_t h, w;
};

// Depthwise convolution: filter [kh, kw, c].
struct Depthwise {
  int64_t c, kh, kw;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

// Dense convolution: filter [kh, kw, c, n].
struct Conv {
  int64_t c, n, kh, kw;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};
constexpr int64_t kMostReach = 48;  // rows from a filter's first tap to its last

// One group of heads of window attention on a map of B x H x W pixels: see src/ops/window-attention.ts.
struct Windows {
  int64_t batch, h, w;
  int64_t wh, ww, shift_h, shift_w;
  int64_t heads, first_head;  // of this group
  int64_t d;                  // channels of a head
  int64_t c;                  // channels of all heads of all groups
  float scale;
};

// Attention through flow on maps of h x w pixels: see src/ops/flow-attention.ts.
struct FlowWindow {
  int64_t h, w;
  int64_t heads, d;  // channels of a head
  int64_t radius;
  float scale;
};

struct Loops {
  const char* name;
  int64_t lanes;

  // --- pointwise, n contiguous elements
  void (*gelu)(const float* x, float* y, int64_t n);
  void (*gelu_grad)(const float* dy, const float* x, float* dx, int64_t n);

  // --- products (gemm.cc). `packed` holds [k, n] as panels of a few vectors of columns, one after the other, with zeros
  // behind column n: k * round_up(n, lanes) floats.
  void (*pack)(const float* w, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float* packed);
  // y[m, :n] = act(x[m, :k] packed + bias); bias is round_up(n, lanes) long, or null.
  void (*linear)(Rows x, int64_t rows, int64_t k, const float* packed, int64_t n, const float* bias, Act act,
                 float slope, OutRows y);
  // c [m, n] dense = a b with any strides; scratch holds k * 4 * lanes floats.
  void (*gemm)(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_step, const float* b,
               int64_t b_row, int64_t b_step, float* c, float* scratch);
  // d[m, :n] = dy[m, :n] act'(y[m, :n]), zeros up to round_up(n, lanes); dbias += sum over m (may be null).
  void (*activation_grad)(Rows dy, Rows y, int64_t rows, int64_t n, Act act, float slope, float* d, float* dbias);
  // The same with dense rows of n, for what ATen takes over; sum may be null.
  void (*scale_by_activation)(Rows dy, Rows y, int64_t rows, int64_t n, Act act, float slope, float* d, float* sum);
  // dw[:k, :round_up(n, lanes)] += x[m, :k]^T d[m, :]; d as activation_grad leaves it.
  void (*linear_filter_grad)(Rows x, const float* d, int64_t rows, int64_t k, int64_t n, float* dw);

  // --- norms over the channels of a row (norm.cc)
  void (*layer_norm)(Rows x, int64_t rows, int64_t c, const float* weight, const float* bias, float epsilon, float* y,
                     float* xhat, float* rstd);
  // dweight, dbias +=
  void (*layer_norm_grad)(Rows dy, const float* xhat, const float* rstd, const float* weight, int64_t rows, int64_t c,
                          float* dx, float* dweight, float* dbias);
  // sums over rows: sum[c] += x, square[c] += (x - shift[c])^2
  void (*column_sums)(Rows x, int64_t rows, int64_t c, float* sum);
  void (*column_squares)(Rows x, int64_t rows, int64_t c, const float* shift, float* squares);
  // y = x * slope + offset, per channel
  void (*column_affine)(Rows x, int64_t rows, int64_t c, const float* slope, const float* offset, float* y);
  // sum[c] += dy, along[c] += dy (x - mean[c]) rstd[c]
  void (*batch_norm_sums)(Rows dy, Rows x, int64_t rows, int64_t c, const float* mean, const float* rstd, float* sum,
                          float* along);
  // dx = slope (dy - common - xhat along), slope = weight rstd
  void (*batch_norm_grad)(Rows dy, Rows x, int64_t rows, int64_t c, const float* mean, const float* rstd,
                          const float* slope, const float* common, const float* along, float* dx);

  // --- depthwise convolution (depthwise.cc), for output rows [begin, end) of batch * rows
  void (*depthwise)(const Depthwise& g, Map x, const float* filter, const float* bias, Act act, float slope, OutMap y,
                    int64_t begin, int64_t end);
  void (*depthwise_input_grad)(const Depthwise& g, Map dy, const float* filter, OutMap dx, int64_t begin, int64_t end);
  // dw [kh, kw, c] +=, over output rows [begin, end); dbias [c] += (may be null)
  void (*depthwise_filter_grad)(const Depthwise& g, Map x, Map dy, float* dw, float* dbias, int64_t begin, int64_t end);

  // --- dense convolution (conv.cc), for output rows [begin, end) of batch * rows; `scratch` holds conv_scratch floats
  int64_t (*conv_scratch)(const Conv& g, int64_t out_w);
  // packed is [kh kw c, n] as `pack` leaves it; bias round_up(n, lanes) long, or null
  void (*conv)(const Conv& g, Map x, const float* packed, const float* bias, Act act, float slope, OutMap y,
               int64_t begin, int64_t end, float* scratch);
  // dw [kh, kw, c, round_up(n, lanes)] +=
  void (*conv_filter_grad)(const Conv& g, Map x, Map dy, float* dw, int64_t begin, int64_t end, float* scratch);

  // --- window attention (window-attention.cc), one window, all heads of the group; bias_t and dbias_t (+=) are
  // [heads of the group, key, round_up(N, lanes) queries], lse is [all heads, N] of the window
  int64_t (*window_scratch)(const Windows& g);  // floats
  void (*window_forward)(const Windows& g, int64_t window, const float* qkv, const float* bias_t, float* y,
                         float* lse, float* scratch);
  void (*window_backward)(const Windows& g, int64_t window, const float* dy, const float* y,
                          const float* qkv, const float* bias_t, const float* lse, float* dqkv, float* dbias_t,
                          float* scratch);

  // --- one row of a cost volume (correlation.cc): volume [w, side, side] = share * sum over c of first times around,
  // whose rows, `around_row` floats apart, begin side / 2 pixels up and left. The gradients are added to.
  void (*correlate)(const float* first, const float* around, int64_t around_row, int64_t w, int64_t c, int64_t side,
                    float share, float* volume);
  void (*correlate_grad)(const float* dvolume, const float* first, const float* around, int64_t around_row, int64_t w,
                         int64_t c, int64_t side, float share, float* dfirst, float* daround);

  // --- attention through flow (flow-attention.cc), for pixels [begin, end) of all pictures; p is [pixels, samples, heads];
  // dk and dv are added to, within the pictures of these pixels
  int64_t (*flow_attention_scratch)(const FlowWindow& g);  // floats
  void (*flow_attention)(const FlowWindow& g, const float* q, const float* k, const float* v, const float* flow,
                         float* y, float* p, int64_t begin, int64_t end, float* scratch);
  void (*flow_attention_grad)(const FlowWindow& g, const float* dy, const float* q, const float* k, const float* v,
                              const float* flow, const float* p, float* dq, float* dk, float* dv, int64_t begin,
                              int64_t end, float* scratch);

  // --- AdamW step on n elements of one parameter; `scale` multiplies the gradient first, and `rest` is 1 - beta, which in
  // float32 would lose what rounding took from beta
  void (*adam)(float* w, float* m, float* v, const float* g, int64_t n, float scale, float rate, float beta1,
               float rest1, float beta2, float rest2, float epsilon, float correction1, float correction2);
  double (*square_sum)(const float* x, int64_t n);
};

inline int64_t round_up(int64_t n, int64_t lanes) { return (n + lanes - 1) / lanes * lanes; }

}  // namespace mimicsr::loops
