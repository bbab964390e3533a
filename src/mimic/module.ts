/**
 * The mimicking module: makes, from a down-sampled HR patch, the LR patch that the camera would have taken of it, in the
 * HR patch's geometry (paper, section 3.1 and figure 3; `MimSimp` of omarAlezaby/Mimicked_Ali @ 27a5681). It trains the
 * SR network and is dropped at inference. State-dict keys are the official ones.
 *
 * A guidance network looks at both patches and gives one vector a picture; it scales the transfer network's features.
 * The paper says "scale and shift"; the code has no shift. The raw output is not the mimicked LR yet: `process.ts`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Conv2d, samePadding } from '../nn/layers';
import { Module } from '../nn/module';
import { InputError } from '../util/errors';

const FEATURES = 64;
/** The guidance network's first convolution: 7x7, no padding. */
export const MIMIC_MINIMUM_SIDE = 7;

export interface MimicModuleOptions {
  /** Default true. False leaves the guidance network out: every picture's vector is 0, and the real LR goes unread. */
  readonly guidance?: boolean;
}

export class MimicModule extends Module {
  private readonly head: Conv2d;
  private readonly spatial: Conv2d[];
  private readonly pointwise: Conv2d[];
  private readonly tail: Conv2d;
  private readonly guidance?: Conv2d[];
  private readonly guidanceTail?: Conv2d;

  constructor({ guidance = true }: MimicModuleOptions = {}) {
    super();
    this.head = this.child('head.0', conv(3, FEATURES, 1, true));
    this.spatial = [7, 5, 3].map((k) => this.child(`conv_${k}x${k}.0`, conv(FEATURES, FEATURES, k, true)));
    this.pointwise = [0, 2, 4].map((i) => this.child(`conv_1x1.${i}`, conv(FEATURES, FEATURES, 1, true)));
    this.tail = this.child('tail', conv(FEATURES, 3, 1, false));
    if (guidance) {
      this.guidance = [
        this.child('guide_net.0.0', new Conv2d(6, FEATURES, 7, { stride: 2, activation: 'relu' })),
        ...[0, 2, 4].map((i) => this.child(`guide_net.1.${i}`, conv(FEATURES, FEATURES, 3, i < 4))),
      ];
      this.guidanceTail = this.child('guide_net.3', conv(FEATURES, FEATURES, 1, false));
    }
  }

  /**
   * @param hr [B, h, w, 3] the down-sampled HR patch, RGB in [0,1]
   * @param lr [B, h, w, 3] the real LR patch
   * @returns [B, h, w, 3], not clamped
   * @throws InputError if the patches are smaller than 7 pixels
   */
  forward(hr: tf.Tensor4D, lr: tf.Tensor4D): tf.Tensor4D {
    const [, h, w] = hr.shape;
    if (h < MIMIC_MINIMUM_SIDE || w < MIMIC_MINIMUM_SIDE) {
      throw new InputError(
        `the mimicking module needs LR patches of at least ${MIMIC_MINIMUM_SIDE}x${MIMIC_MINIMUM_SIDE} pixels, found ${h}x${w}`,
      );
    }
    const head = this.head.forward(hr); // [B, h, w, 64]
    const vector = this.guidanceVector(hr, lr);
    let o = vector === undefined ? head : tf.add<tf.Tensor4D>(tf.mul(head, vector), head);
    for (const layer of [...this.spatial, ...this.pointwise]) o = layer.forward(o);
    return this.tail.forward(tf.add(o, head));
  }

  /** [B, 1, 1, 64], or undefined where there is no guidance network. */
  guidanceVector(hr: tf.Tensor4D, lr: tf.Tensor4D): tf.Tensor4D | undefined {
    if (this.guidance === undefined || this.guidanceTail === undefined) return undefined;
    const seen = this.guidance.reduce((x, layer) => layer.forward(x), tf.concat([hr, lr], 3));
    return this.guidanceTail.forward(tf.mean<tf.Tensor4D>(seen, [1, 2], true));
  }
}

function conv(inputs: number, outputs: number, kernel: number, relu: boolean): Conv2d {
  return new Conv2d(inputs, outputs, kernel, {
    padding: samePadding(kernel),
    ...(relu ? { activation: 'relu' } : {}),
  });
}
