/** Registers the backend `torch` and all its kernels with TensorFlow.js. */
import * as tf from '@tensorflow/tfjs-core';

import type { Addon } from './addon';
import { TorchBackend } from './backend';
import { defineConvolution } from './kernels/convolution';
import type { Define } from './kernels/define';
import { defineElementwise } from './kernels/elementwise';
import { defineFused } from './kernels/fused';
import { defineImage } from './kernels/image';
import { defineIndex } from './kernels/index';
import { defineMatmul } from './kernels/matmul';
import { defineReduce } from './kernels/reduce';
import { defineShape } from './kernels/shape';

export const BACKEND = 'torch';

/** Above the priorities of TensorFlow.js's own backends; the kit always chooses by name. */
const PRIORITY = 10;

export function registerTorch(addon: Addon): void {
  const torch = new TorchBackend(addon, tf.engine());
  tf.registerBackend(BACKEND, () => torch, PRIORITY);
  const define: Define = (kernelName, body) => {
    const kernelFunc = ({
      inputs,
      attrs,
    }: {
      inputs: unknown;
      attrs?: unknown;
    }): tf.TensorInfo | tf.TensorInfo[] => body(inputs as never, (attrs ?? {}) as never);
    tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc: kernelFunc });
  };
  for (const group of [
    defineElementwise,
    defineReduce,
    defineShape,
    defineIndex,
    defineConvolution,
    defineMatmul,
    defineImage,
    defineFused,
  ]) {
    group(define, torch);
  }
}
