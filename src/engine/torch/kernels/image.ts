/** Resizes: native/kernels/image.cc. Their gradients are the exact transposes, half-pixel centres included. */
import type * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import type { Define } from './define';

export function defineImage(define: Define, torch: TorchBackend): void {
  for (const name of ['ResizeBilinear', 'ResizeNearestNeighbor']) {
    define<tf.ResizeBilinearInputs, tf.ResizeBilinearAttrs>(
      name,
      ({ images }, { alignCorners, halfPixelCenters, size }) =>
        torch.call(name).tensor(images).flag(alignCorners).flag(halfPixelCenters).numbers(size).one(),
    );
    define<tf.ResizeBilinearGradInputs, tf.ResizeBilinearGradAttrs>(
      `${name}Grad`,
      ({ images, dy }, { alignCorners, halfPixelCenters }) =>
        torch
          .call(`${name}Grad`)
          .tensor(dy)
          .flag(alignCorners)
          .flag(halfPixelCenters)
          .numbers([images.shape[1], images.shape[2]])
          .one(),
    );
  }
}
