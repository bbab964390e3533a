/**
 * Global colour mapping (GCM): recolours the LR patch towards the HR patch before the flow between them is estimated
 * (Zhang et al., "Learning RAW-to-sRGB Mappings with Inaccurately Aligned Supervision", ICCV 2021; cszhilu1998/RAW-to-sRGB
 * @ b9e3854, `zrrjoint_model.py`). A guidance network looks at both patches and gives one vector a picture, which scales
 * the features of a per-pixel network, so that content cannot move. State-dict keys are the official ones.
 *
 * The original first raises its linear RAW picture to 1 / 2.2. Here pictures are encoded RGB already: it is left out.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';

const GUIDANCE_FEATURES = 32;
const FEATURES = 64;
/** The guidance network's first convolution: 7x7, no padding. */
export const GCM_MINIMUM_SIDE = 7;

export interface GcmOptions {
  /** Both networks see where in the patch a pixel lies (vignetting). */
  readonly coordinates: boolean;
}

export class Gcm extends Module {
  private readonly guidance: Conv2d[];
  private readonly guidanceTail: Conv2d;
  private readonly head: Conv2d;
  private readonly base: Conv2d[];
  private readonly tail: Conv2d;

  constructor(private readonly options: GcmOptions) {
    super();
    const planes = options.coordinates ? 2 : 0;
    this.guidance = [
      this.child(
        'guide_net.0.0',
        new Conv2d(6 + planes, GUIDANCE_FEATURES, 7, { stride: 2, activation: 'relu' }),
      ),
      this.child(
        'guide_net.1.0',
        new Conv2d(GUIDANCE_FEATURES, GUIDANCE_FEATURES, 3, { padding: 1, activation: 'relu' }),
      ),
      this.child('guide_net.1.2', new Conv2d(GUIDANCE_FEATURES, GUIDANCE_FEATURES, 3, { padding: 1 })),
    ];
    this.guidanceTail = this.child('guide_net.3', new Conv2d(GUIDANCE_FEATURES, FEATURES, 1));
    this.head = this.child('align_head.0', new Conv2d(3 + planes, FEATURES, 1, { activation: 'relu' }));
    this.base = [0, 2, 4].map((i) =>
      this.child(`align_base.${i}`, new Conv2d(FEATURES, FEATURES, 1, { activation: 'relu' })),
    );
    this.tail = this.child('align_tail', new Conv2d(FEATURES, 3, 1));
  }

  /**
   * @param picture [B, h, w, 3] in [0,1], sides of at least 7
   * @param target [B, h, w, 3] whose colours are wanted
   * @returns [B, h, w, 3] the picture recoloured, not clamped
   */
  forward(picture: tf.Tensor4D, target: tf.Tensor4D): tf.Tensor4D {
    const where = this.options.coordinates ? [coordinates(picture.shape)] : [];
    const seen = this.guidance.reduce(
      (x, conv) => conv.forward(x),
      tf.concat([picture, target, ...where], 3),
    );
    const vector = this.guidanceTail.forward(tf.mean<tf.Tensor4D>(seen, [1, 2], true)); // [B, 1, 1, 64]
    const head = this.head.forward(tf.concat([picture, ...where], 3)); // [B, h, w, 64]
    const scaled = tf.add<tf.Tensor4D>(tf.mul(head, vector), head);
    const mapped = this.base.reduce((x, conv) => conv.forward(x), scaled);
    return tf.add(this.tail.forward(mapped), picture);
  }
}

/** [B, h, w, 2]: x and y of pixel centres in a picture that reaches from -1 to 1. */
function coordinates([b, h, w]: tf.Tensor4D['shape']): tf.Tensor4D {
  const centres = (n: number): tf.Tensor1D => tf.linspace(-1 + 1 / n, 1 - 1 / n, n);
  const x = tf.tile(tf.reshape(centres(w), [1, 1, w, 1]), [b, h, 1, 1]);
  const y = tf.tile(tf.reshape(centres(h), [1, h, 1, 1]), [b, 1, w, 1]);
  return tf.concat([x, y], 3) as tf.Tensor4D;
}
