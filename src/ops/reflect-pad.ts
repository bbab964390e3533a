import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { misfit } from './shapes';

/**
 * Rows and columns mirrored at the bottom and right edges without repeating the edge pixel (PyTorch's 'reflect'),
 * differentiable. [B, H, W, C] to [B, H + bottom, W + right, C]; bottom < H and right < W.
 */
export function reflectPad(x: tf.Tensor4D, bottom: number, right: number): tf.Tensor4D {
  if (bottom >= x.shape[1] || right >= x.shape[2]) throw misfit('reflectPad', { x, bottom, right });
  // Only an engine that never differentiates has this kernel; the composition brings its own gradient.
  if (hasFused('ReflectPad')) return runFused('ReflectPad', { x }, { bottom, right });
  return mirror(mirror(x, 1, bottom), 2, right);
}

function mirror(x: tf.Tensor4D, axis: 1 | 2, count: number): tf.Tensor4D {
  if (count === 0) return x;
  const begin = [0, 0, 0, 0];
  const size = [...x.shape];
  begin[axis] = x.shape[axis] - 1 - count;
  size[axis] = count;
  return tf.concat([x, tf.reverse(tf.slice(x, begin, size), axis)], axis);
}
