#include "table.h"

#include "simd.h"

#define LOOPS_TEXT_(name) #name
#define LOOPS_TEXT(name) LOOPS_TEXT_(name)

namespace mimicsr::loops::LOOPS_SET {

const Loops table = {
    LOOPS_TEXT(LOOPS_SET),
    V,
    gelu_all,
    gelu_grad_all,
    pack,
    linear,
    gemm,
    activation_grad,
    scale_by_activation,
    linear_filter_grad,
    layer_norm,
    layer_norm_grad,
    column_sums,
    column_squares,
    column_affine,
    batch_norm_sums,
    batch_norm_grad,
    depthwise,
    depthwise_input_grad,
    depthwise_filter_grad,
    conv_scratch,
    conv,
    conv_filter_grad,
    window_scratch,
    window_forward,
    window_backward,
    correlate,
    correlate_grad,
    flow_attention_scratch,
    flow_attention,
    flow_attention_grad,
    adam,
    square_sum,
};

}  // namespace mimicsr::loops::LOOPS_SET
