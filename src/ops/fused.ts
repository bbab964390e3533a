/**
 * Fused kernels: an engine may register kernels of its own under these names beside TensorFlow.js's. An op in this
 * folder asks for the fused kernel first and else computes its portable composition, which is the kernel's definition;
 * the parity tests bind the two.
 */
import * as tf from '@tensorflow/tfjs-core';

/** True where the running engine has the kernel. */
export function hasFused(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** Runs the engine's kernel `name`. The caller has asked `hasFused`, and supplies the gradient (tf.customGrad). */
export function runFused<T extends tf.Tensor | tf.Tensor[] = tf.Tensor>(
  name: string,
  inputs: tf.NamedTensorMap,
  attrs: tf.NamedAttrMap = {},
): T {
  return tf.engine().runKernel<T>(name, inputs, attrs);
}
