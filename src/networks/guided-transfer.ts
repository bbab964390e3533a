/**
 * What the mimicking module (`MimSimp` of omarAlezaby/Mimicked_Ali @ 27a5681) and SelfDZSR's auxiliary-LR generator
 * (`KernelGen` of cszhilu1998/SelfDZSR @ 9ff05ad) share, down to the state-dict keys: a transfer network of a few large
 * filters, which keeps every pixel where it is, and a guidance network that looks at both pictures and gives one vector a
 * picture, by which the transfer network's features are scaled.
 *
 *   h = relu(conv1x1(x));   t = h g + h;   out = conv1x1(chain(t) + h),   chain: 7x7, 5x5, 3x3 and three 1x1, each with relu
 */
import * as tf from '@tensorflow/tfjs-core';
import { constant } from '../nn/init';
import { Conv2d, samePadding } from '../nn/layers';
import { Module } from '../nn/module';
import { InputError } from '../util/errors';

const FEATURES = 64;
const SILENCE = { weight: constant(0), bias: constant(0) };
/** The guidance network's first convolution: 7x7, no padding. */
export const GUIDED_MINIMUM_SIDE = 7;

export abstract class GuidedTransfer extends Module {
  /** The three large filters: 7x7, 5x5 and 3x3. */
  protected readonly spatial: Conv2d[];
  private readonly head: Conv2d;
  private readonly pointwise: Conv2d[];
  private readonly tail: Conv2d;
  private readonly guidance?: Conv2d[];
  private readonly guidanceTail?: Conv2d;

  /**
   * @param inputs channels of x
   * @param guidanceInputs channels that the guidance network sees; 0 for none: every picture's vector is 0 then
   * @param silent before it is trained, the output is 0
   */
  constructor(inputs: number, guidanceInputs: number, silent = false) {
    super();
    this.head = this.child('head.0', conv(inputs, FEATURES, 1, true));
    this.spatial = [7, 5, 3].map((k) => this.child(`conv_${k}x${k}.0`, conv(FEATURES, FEATURES, k, true)));
    this.pointwise = [0, 2, 4].map((i) => this.child(`conv_1x1.${i}`, conv(FEATURES, FEATURES, 1, true)));
    this.tail = this.child('tail', new Conv2d(FEATURES, 3, 1, silent ? { init: SILENCE } : {}));
    if (guidanceInputs > 0) {
      this.guidance = [
        this.child(
          'guide_net.0.0',
          new Conv2d(guidanceInputs, FEATURES, 7, { stride: 2, activation: 'relu' }),
        ),
        ...[0, 2, 4].map((i) => this.child(`guide_net.1.${i}`, conv(FEATURES, FEATURES, 3, i < 4))),
      ];
      this.guidanceTail = this.child('guide_net.3', conv(FEATURES, FEATURES, 1, false));
    }
  }

  /**
   * @param x [B, h, w, inputs]
   * @param seen [B, h, w, guidanceInputs], what the guidance network looks at
   * @returns [B, h, w, 3]
   */
  protected transfer(x: tf.Tensor4D, seen: tf.Tensor4D): tf.Tensor4D {
    const head = this.head.forward(x); // [B, h, w, 64]
    const vector = this.vector(seen);
    let o = vector === undefined ? head : tf.add<tf.Tensor4D>(tf.mul(head, vector), head);
    for (const layer of [...this.spatial, ...this.pointwise]) o = layer.forward(o);
    return this.tail.forward(tf.add(o, head));
  }

  /** [B, 1, 1, 64], or undefined where there is no guidance network. */
  protected vector(seen: tf.Tensor4D): tf.Tensor4D | undefined {
    if (this.guidance === undefined || this.guidanceTail === undefined) return undefined;
    const features = this.guidance.reduce((x, layer) => layer.forward(x), seen);
    return this.guidanceTail.forward(tf.mean<tf.Tensor4D>(features, [1, 2], true));
  }

  /** @throws InputError if LR patches are too small for the guidance network, naming the network `what` */
  protected requireSide([, h, w]: tf.Tensor4D['shape'], what: string): void {
    if (h >= GUIDED_MINIMUM_SIDE && w >= GUIDED_MINIMUM_SIDE) return;
    throw new InputError(
      `${what} needs LR patches of at least ${GUIDED_MINIMUM_SIDE}x${GUIDED_MINIMUM_SIDE} pixels, found ${h}x${w}`,
    );
  }
}

function conv(inputs: number, outputs: number, kernel: number, relu: boolean): Conv2d {
  return new Conv2d(inputs, outputs, kernel, {
    padding: samePadding(kernel),
    ...(relu ? { activation: 'relu' } : {}),
  });
}
