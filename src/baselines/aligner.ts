/**
 * AlignFormer's two networks and the optical flow between them, on the pairs of 4x SR (`networks/dam.ts`,
 * `networks/alignformer.ts`): the LR, enlarged to the HR's size, is the degraded picture that gives the geometry, the HR the
 * clean one that gives the content. What comes out is the pseudo-GT: the HR in the LR's geometry.
 *
 * AlignFormer's pictures have one size, so that nothing is enlarged there.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Pair } from '../data/pairs';
import { imageOf } from '../data/pairs';
import type { FlowEstimator } from '../flow/estimator';
import { cropImage, type Image } from '../image/image';
import { imageTensor, tensorImage } from '../image/tensor';
import { inTiles } from '../image/tiles';
import type { PairBatch } from '../losses/training-process';
import type { AlignFormer } from '../networks/alignformer';
import type { Dam } from '../networks/dam';
import { noGradient } from '../ops/no-gradient';
import { resize } from '../ops/resize';
import { InputError } from '../util/errors';

/** LR pixels; the tile is near the training's patch, over which the DAM's style is a mean. */
export const ALIGNER_TILING = { tile: 96, overlap: 32, scale: 4 } as const;

export interface Aligner {
  readonly dam: Dam;
  readonly gam: AlignFormer;
  readonly flow: FlowEstimator;
}

type Batch = Pick<PairBatch, 'lr' | 'hr'>;

/** [B, 4h, 4w, 3]: the LR enlarged by bicubic with the HR's look, differentiable in the DAM. */
export function recoloured(dam: Dam, { lr, hr }: Batch): tf.Tensor4D {
  const [, height, width] = hr.shape;
  return dam.forward(resize(lr, height, width, { mode: 'bicubic' }), hr);
}

/** [B, 4h, 4w, 3]: the pseudo-GT, not clamped, differentiable in the GAM alone. */
export function pseudoGt({ dam, gam, flow }: Aligner, batch: Batch): tf.Tensor4D {
  const source = noGradient(() => tf.tidy(() => recoloured(dam, batch)));
  return gam.forward(source, batch.hr, flow.estimate(source, batch.hr));
}

/**
 * The pseudo-GT of a whole pair, in tiles where it is large.
 * @returns RGB of the HR's size, not clamped
 */
export async function alignedPicture(aligner: Aligner, pair: Pair): Promise<Image> {
  const [lr, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
  const { scale } = ALIGNER_TILING;
  return inTiles(lr.width, lr.height, ALIGNER_TILING, async ({ left, top, width, height }) => {
    const out = tf.tidy(() =>
      pseudoGt(aligner, {
        lr: imageTensor(cropImage(lr, left, top, width, height)),
        hr: imageTensor(cropImage(hr, left * scale, top * scale, width * scale, height * scale)),
      }),
    );
    try {
      const image = await tensorImage(out);
      if (!image.data.every(Number.isFinite)) {
        throw new InputError(
          `the pseudo-GT of ${pair.name} is not finite: its networks' weights are unusable`,
        );
      }
      return image;
    } finally {
      out.dispose();
    }
  });
}
