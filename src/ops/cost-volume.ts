/**
 * Local correlation of two feature maps, PWC-Net's cost volume (Sun et al., CVPR 2018):
 *
 *   V[b, y, x, (dy + r) (2r + 1) + (dx + r)] = mean over c of first[b, y, x, c] second[b, y + dy, x + dx, c],
 *
 * dy, dx in -r..r, zero outside. A mean over the channels, as in NVlabs' CUDA kernel; no activation.
 *
 * Fused kernels (the composition below is their definition):
 *
 * - `CostVolume`: inputs first, second [B, H, W, C]; attribute radius; output [B, H, W, (2 radius + 1)^2].
 * - `CostVolumeGrad`: inputs dy, first, second; attribute radius; outputs d first, d second.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { misfit, sameShape } from './shapes';

/**
 * @param first [B, H, W, C]
 * @param second [B, H, W, C]
 * @param radius largest displacement r on each axis
 * @returns [B, H, W, (2 r + 1)^2], differentiable in both
 */
export function costVolume(first: tf.Tensor4D, second: tf.Tensor4D, radius: number): tf.Tensor4D {
  if (!sameShape(first, second)) throw misfit('costVolume', { first, second });
  const op = tf.customGrad((...args) => {
    const [first, second, save] = args as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc];
    save([first, second]);
    return {
      value: forward(first, second, radius),
      gradFunc: (dy: tf.Tensor, [first, second]: tf.Tensor[]) =>
        backward(dy as tf.Tensor4D, first as tf.Tensor4D, second as tf.Tensor4D, radius),
    };
  });
  return op(first, second);
}

function forward(first: tf.Tensor4D, second: tf.Tensor4D, radius: number): tf.Tensor4D {
  if (hasFused('CostVolume')) return runFused('CostVolume', { first, second }, { radius });
  return tf.tidy(() => {
    const around = padded(second, radius);
    const planes = displacements(radius).map(([dy, dx]) =>
      tf.tidy(() => tf.mean(tf.mul(first, shifted(around, first.shape, radius, dy, dx)), 3)),
    );
    return tf.stack(planes, 3) as tf.Tensor4D;
  });
}

/**
 * d first[p] = sum over d of dy[p, d] second[p + d] / C and d second[p] = sum over d of dy[p - d, d] first[p - d] / C.
 */
function backward(dy: tf.Tensor4D, first: tf.Tensor4D, second: tf.Tensor4D, radius: number): tf.Tensor[] {
  if (hasFused('CostVolumeGrad')) {
    return runFused<tf.Tensor[]>('CostVolumeGrad', { dy, first, second }, { radius });
  }
  return tf.tidy(() => {
    const scaled = tf.div<tf.Tensor4D>(dy, first.shape[3]);
    const [secondAround, firstAround, dyAround] = [second, first, scaled].map((t) => padded(t, radius));
    let dFirst: tf.Tensor = tf.zerosLike(first);
    let dSecond: tf.Tensor = tf.zerosLike(second);
    displacements(radius).forEach(([y, x], k) => {
      const next = tf.tidy(() => {
        const here = tf.slice(scaled, [0, 0, 0, k], [-1, -1, -1, 1]);
        const there = tf.slice(dyAround, [0, radius - y, radius - x, k], [...here.shape]);
        return [
          tf.add(dFirst, tf.mul(here, shifted(secondAround, first.shape, radius, y, x))),
          tf.add(dSecond, tf.mul(there, shifted(firstAround, first.shape, radius, -y, -x))),
        ];
      });
      tf.dispose([dFirst, dSecond]);
      [dFirst, dSecond] = next;
    });
    return [dFirst, dSecond];
  });
}

/** (dy, dx) in the order of the volume's channels. */
function displacements(radius: number): [number, number][] {
  const steps = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
  return steps.flatMap((dy) => steps.map((dx): [number, number] => [dy, dx]));
}

/** `radius` zeros on all four sides. */
function padded(x: tf.Tensor4D, radius: number): tf.Tensor4D {
  return tf.pad(x, [
    [0, 0],
    [radius, radius],
    [radius, radius],
    [0, 0],
  ]);
}

/** The map of which `around` is the padded form, moved so that pixel (y, x) holds what was at (y + dy, x + dx). */
function shifted(
  around: tf.Tensor4D,
  shape: tf.Tensor4D['shape'],
  radius: number,
  dy: number,
  dx: number,
): tf.Tensor4D {
  return tf.slice(around, [0, radius + dy, radius + dx, 0], shape);
}
