/** Puts the kit's kernels in place of the backend's, which stay behind them for the cases that they do not serve. */
import * as tf from '@tensorflow/tfjs-core';
import type { Heap } from './heap';
import { adamStep } from './kernels/adam';
import { conv2d, conv2dFilterGradient, conv2dInputGradient, fusedConv2d } from './kernels/convolution';
import {
  depthwiseConv2d,
  depthwiseFilterGradient,
  depthwiseInputGradient,
  fusedDepthwiseConv2d,
} from './kernels/depthwise';
import { addN, binary, gelu, geluGradient, sign, softmax, step } from './kernels/elementwise';
import type { Inputs, KernelFunction } from './kernels/kernel';
import { layerNorm, layerNormGradient } from './kernels/layer-norm';
import {
  concat,
  gather,
  cast,
  identity,
  pad,
  pixelShuffle,
  pixelUnshuffle,
  reverse,
  slice,
  split,
  transpose,
} from './kernels/layout';
import { batchMatMul } from './kernels/matmul';
import { mean, sum } from './kernels/sum';
import { windowAttention, windowAttentionGradient } from './kernels/window-attention';

const KERNELS: Record<string, KernelFunction> = {
  Conv2D: conv2d,
  FusedConv2D: fusedConv2d,
  Conv2DBackpropInput: conv2dInputGradient,
  Conv2DBackpropFilter: conv2dFilterGradient,
  DepthwiseConv2dNative: depthwiseConv2d,
  FusedDepthwiseConv2D: fusedDepthwiseConv2d,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  BatchMatMul: batchMatMul,
  Add: binary('add'),
  Sub: binary('subtract'),
  Multiply: binary('multiply'),
  RealDiv: binary('divide'),
  AddN: addN,
  Step: step,
  Sign: sign,
  Softmax: softmax,
  Sum: sum,
  Mean: mean,
  Identity: identity,
  Cast: cast,
  Slice: slice,
  GatherV2: gather,
  SplitV: split,
  Concat: concat,
  PadV2: pad,
  Transpose: transpose,
  Reverse: reverse,
  Gelu: gelu,
  GeluGrad: geluGradient,
  LayerNorm: layerNorm,
  LayerNormGrad: layerNormGradient,
  AdamStep: adamStep,
  WindowAttention: windowAttention,
  WindowAttentionGrad: windowAttentionGradient,
  PixelShuffle: pixelShuffle,
  PixelUnshuffle: pixelUnshuffle,
};

/** The kernels that this engine has of its own. */
export const KERNEL_NAMES: readonly string[] = Object.keys(KERNELS);

/** Registers every kernel for the backend 'wasm'. */
export function registerKernels(heap: Heap): void {
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    const behind = tf.getKernel(kernelName, 'wasm');
    if (behind !== undefined) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      setupFunc: behind?.setupFunc,
      disposeFunc: behind?.disposeFunc,
      kernelFunc: (call) => {
        const result = kernel(heap, call.inputs as Inputs, call.attrs as never);
        if (result !== undefined) return result;
        if (behind === undefined) throw new Error(`engine 'wasm': ${kernelName} does not serve this case`);
        return behind.kernelFunc(call);
      },
    });
  }
}
