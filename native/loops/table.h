// The functions of one instruction set, declared for table.cc.
#pragma once

#include "loops.h"

namespace mimicsr::loops::LOOPS_SET {

extern const Loops table;

void gelu_all(const float* x, float* y, int64_t n);
void gelu_grad_all(const float* dy, const float* x, float* dx, int64_t n);
void pack(const float* w, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float* packed);
void linear(Rows x, int64_t rows, int64_t k, const float* packed, int64_t n, const float* bias, Act act, float slope,
            OutRows y);
void gemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_row,
          int64_t b_step, float* c, float* scratch);
void activation_grad(Rows dy, Rows y, int64_t rows, int64_t n, Act act, float slope, float* d, float* dbias);
void scale_by_activation(Rows dy, Rows y, int64_t rows, int64_t n, Act act, float slope, float* d, float* sum);
void linear_filter_grad(Rows x, const float* d, int64_t rows, int64_t k, int64_t n, float* dw);
void layer_norm(Rows x, int64_t rows, int64_t c, const float* weight, const float* bias, float epsilon, float* y,
                float* xhat, float* rstd);
void layer_norm_grad(Rows dy, const float* xhat, const float* rstd, const float* weight, int64_t rows, int64_t c,
                     float* dx, float* dweight, float* dbias);
void column_sums(Rows x, int64_t rows, int64_t c, float* sum);
void column_squares(Rows x, int64_t rows, int64_t c, const float* shift, float* squares);
void column_affine(Rows x, int64_t rows, int64_t c, const float* slope, const float* offset, float* y);
void batch_norm_sums(Rows dy, Rows x, int64_t rows, int64_t c, const float* mean, const float* rstd, float* sum,
                     float* along);
void batch_norm_grad(Rows dy, Rows x, int64_t rows, int64_t c, const float* mean, const float* rstd, const float* slope,
                     const float* common, const float* along, float* dx);
void depthwise(const Depthwise& g, Map x, const float* filter, const float* bias, Act act, float slope, OutMap y,
               int64_t begin, int64_t end);
void depthwise_input_grad(const Depthwise& g, Map dy, const float* filter, OutMap dx, int64_t begin, int64_t end);
void depthwise_filter_grad(const Depthwise& g, Map x, Map dy, float* dw, float* dbias, int64_t begin, int64_t end);
int64_t conv_scratch(const Conv& g, int64_t out_w);
void conv(const Conv& g, Map x, const float* packed, const float* bias, Act act, float slope, OutMap y, int64_t begin,
          int64_t end, float* scratch);
void conv_filter_grad(const Conv& g, Map x, Map dy, float* dw, int64_t begin, int64_t end, float* scratch);
int64_t window_scratch(const Windows& g);
void window_forward(const Windows& g, int64_t window, const float* qkv, const float* bias_t, float* y,
                    float* lse, float* scratch);
void window_backward(const Windows& g, int64_t window, const float* dy, const float* y, const float* qkv,
                     const float* bias_t, const float* lse, float* dqkv, float* dbias_t, float* scratch);
void correlate(const float* first, const float* around, int64_t around_row, int64_t w, int64_t c, int64_t side,
               float share, float* volume);
void correlate_grad(const float* dvolume, const float* first, const float* around, int64_t around_row, int64_t w,
                    int64_t c, int64_t side, float share, float* dfirst, float* daround);
int64_t flow_attention_scratch(const FlowWindow& g);
void flow_attention(const FlowWindow& g, const float* q, const float* k, const float* v, const float* flow, float* y,
                    float* p, int64_t begin, int64_t end, float* scratch);
void flow_attention_grad(const FlowWindow& g, const float* dy, const float* q, const float* k, const float* v,
                         const float* flow, const float* p, float* dq, float* dk, float* dv, int64_t begin, int64_t end,
                         float* scratch);
void adam(float* w, float* m, float* v, const float* g, int64_t n, float scale, float rate, float beta1, float rest1,
          float beta2, float rest2, float epsilon, float correction1, float correction2);
double square_sum(const float* x, int64_t n);

}  // namespace mimicsr::loops::LOOPS_SET
