/**
 * The mimicking module: makes, from a down-sampled HR patch, the LR patch that the camera would have taken of it, in the
 * HR patch's geometry (paper, section 3.1 and figure 3; `MimSimp` of omarAlezaby/Mimicked_Ali @ 27a5681). It trains the
 * SR network and is dropped at inference. State-dict keys are the official ones.
 *
 * The paper says that the guidance vector "scales and shifts"; the code has no shift. The raw output is not the mimicked
 * LR yet: `process.ts`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { GUIDED_MINIMUM_SIDE, GuidedTransfer } from '../networks/guided-transfer';
import { FittedBlur } from './fitted-blur';

export const MIMIC_MINIMUM_SIDE = GUIDED_MINIMUM_SIDE;

export interface MimicModuleOptions {
  /** Default true. False leaves the guidance network out: every picture's vector is 0, and the real LR goes unread. */
  readonly guidance?: boolean;
  /**
   * Default false. True: what the output is added to goes through a lens blur that is fitted in training, and the output begins
   * at 0. Not in the official code.
   */
  readonly lens?: boolean;
}

export class MimicModule extends GuidedTransfer {
  /** Of the down-sampled HR, in linear light. */
  readonly lens?: FittedBlur;

  constructor({ guidance = true, lens = false }: MimicModuleOptions = {}) {
    super(3, guidance ? 6 : 0, lens);
    if (lens) this.lens = this.child('lens', new FittedBlur());
  }

  /**
   * @param hr [B, h, w, 3] the down-sampled HR patch, RGB in [0,1]
   * @param lr [B, h, w, 3] the real LR patch
   * @returns [B, h, w, 3], not clamped
   * @throws InputError if the patches are smaller than 7 pixels
   */
  forward(hr: tf.Tensor4D, lr: tf.Tensor4D): tf.Tensor4D {
    this.requireSide(hr.shape, 'the mimicking module');
    return this.transfer(hr, tf.concat([hr, lr], 3));
  }

  /** [B, 1, 1, 64], or undefined where there is no guidance network. */
  guidanceVector(hr: tf.Tensor4D, lr: tf.Tensor4D): tf.Tensor4D | undefined {
    return this.vector(tf.concat([hr, lr], 3));
  }
}
