/**
 * AlignFormer: "Generating Aligned Pseudo-Supervision from Non-Aligned Data for Image Restoration in Under-Display Camera"
 * (Feng et al., CVPR 2023), after jnjaby/AlignFormer @ 3ef8a4b (`alignformer_arch.py`). Of a degraded picture and a clean
 * one of the same scene that does not lie over it, it makes the clean picture in the degraded one's geometry:
 *
 *   s' = DAM(source, reference);   flow = optical flow s' -> reference;   out = GAM(s', reference, flow)
 *
 * This file is the GAM, the geometric alignment module: two U-Nets, three attention units at a quarter, half and full size
 * in which every pixel of s' looks at the reference where the flow points, and a decoder. All content of the output comes
 * from the reference. State-dict keys are the official ones, without those of flow network and DAM, which are networks of
 * their own here.
 *
 * Left out: the options that the published configuration has off (positional codes, a path from s' to the output), and
 * the padding of pictures whose sides are no multiples of 4.
 */
import * as tf from '@tensorflow/tfjs-core';
import { chain } from '../nn/chain';
import { constant } from '../nn/init';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import type { Activation } from '../ops/conv';
import { flowAttention } from '../ops/flow-attention';
import { nearestUpsample2 } from '../ops/nearest-upsample';
import { pictureNorm } from '../ops/picture-norm';
import { residual } from '../ops/residual';
import { resize } from '../ops/resize';

const LEAKY: Activation = { kind: 'leakyRelu', slope: 0.2 };
const HEADS = 4;
/** Windows of 5x5 pixels. */
const RADIUS = 2;
const MLP_RATIO = 2;
const NORM_EPSILON = 1e-5;

/** Features at a quarter, half and full size. */
type Pyramid = [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];

export class AlignFormer extends Module {
  private readonly queries: UNet;
  private readonly keys: UNet;
  private readonly attention: AttentionUnit[];
  private readonly decoder: Convs[];
  private readonly last: Conv2d;

  /** @param channels width of everything within; the official 64 */
  constructor(channels = 64) {
    super();
    this.queries = this.child('unet_q', new UNet(channels));
    this.keys = this.child('unet_k', new UNet(channels));
    this.attention = [0, 1, 2].map((i) => this.child(`trans_unit.${i}`, new AttentionUnit(channels)));
    this.decoder = (['same', 'down', 'down', 'same', 'up', 'up'] as const).map((sampling, i) =>
      this.child(`conv${i}`, new Convs(channels, channels, { sampling })),
    );
    this.decoder.push(this.child('conv6.0', new Convs(channels, channels, { count: 1 })));
    this.last = this.child('conv6.1', new Conv2d(channels, 3, 3, { padding: 1 }));
  }

  /**
   * @param source [B, H, W, 3] s', RGB, sides multiples of 4
   * @param reference [B, H, W, 3] RGB in [0,1]
   * @param flow [B, H, W, 2] where each pixel of s' is found in the reference, in pixels: a constant
   * @returns [B, H, W, 3] the reference in the source's geometry, not clamped
   */
  forward(source: tf.Tensor4D, reference: tf.Tensor4D, flow: tf.Tensor4D): tf.Tensor4D {
    const [o0, o1, o2] = tf.tidy(() => {
      const [q, k] = [this.queries.forward(source), this.keys.forward(reference)];
      return this.attention.map((unit, i) => unit.forward(q[i], k[i], flow));
    });
    /** Decoder layer `i` on x, plus `more`. */
    const decode = (i: number, x: tf.Tensor4D, ...more: tf.Tensor4D[]): tf.Tensor4D =>
      tf.tidy(() => more.reduce((y, other) => residual(y, other), this.decoder[i].forward(x)));
    const f0 = decode(0, o2); // [B, H, W, C]
    const f1 = decode(1, f0, o1); // [B, H/2, W/2, C]
    const f2 = decode(2, f1, o0); // [B, H/4, W/4, C]
    const f3 = decode(3, f2, o0, f2);
    const f4 = decode(4, f3, o1, f1); // [B, H/2, W/2, C]
    const f5 = decode(5, f4, o2, f0); // [B, H, W, C]
    return this.last.forward(decode(6, f5));
  }
}

class UNet extends Module {
  private readonly layers: Convs[];

  constructor(channels: number) {
    super();
    this.layers = [
      this.child('conv_in', new Convs(3, channels, { count: 1 })),
      ...(['down', 'down', 'same', 'up', 'up', 'same'] as const).map((sampling, i) =>
        this.child(`conv${i + 1}`, new Convs(channels, channels, { sampling })),
      ),
    ];
  }

  /** [B, H, W, 3] to features [B, H/4, W/4, C], [B, H/2, W/2, C] and [B, H, W, C]. */
  forward(image: tf.Tensor4D): Pyramid {
    return tf.tidy(() => {
      const run = (i: number, x: tf.Tensor4D): tf.Tensor4D => this.layers[i].forward(x);
      const f0 = run(0, image);
      const f1 = run(1, f0);
      const f2 = run(2, f1);
      const quarter = residual(run(3, f2), f2);
      const half = residual(run(4, quarter), f1);
      return [quarter, half, run(6, residual(run(5, half), f0))];
    });
  }
}

/** Attention through the flow, and a small perceptron for every pixel: z = o + MLP(o), normalised over the picture. */
export class AttentionUnit extends Module {
  private readonly projections: Conv2d[];
  private readonly combine: Conv2d;
  private readonly perceptron: Conv2d[];
  private readonly norm: PictureNorm;

  constructor(channels: number) {
    super();
    const plain = (): Conv2d => new Conv2d(channels, channels, 1, { bias: false });
    this.projections = ['q', 'k', 'v'].map((name) => this.child(`attn.w_${name}s`, plain()));
    this.combine = this.child('attn.fc', plain());
    const hidden = MLP_RATIO * channels;
    this.perceptron = [
      this.child('mlp.linear1', new Conv2d(channels, hidden, 1, { activation: LEAKY })),
      this.child('mlp.linear2', new Conv2d(hidden, channels, 1)),
    ];
    this.norm = this.child('norm', new PictureNorm(channels));
  }

  /**
   * @param queries,keys [B, h, w, C]; the values come from the keys' features
   * @param flow [B, H, W, 2] at any size, in its own pixels
   * @returns [B, h, w, C]
   */
  forward(queries: tf.Tensor4D, keys: tf.Tensor4D, flow: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [q, k, v] = [queries, keys, keys].map((x, i) => this.projections[i].forward(x));
      const fitted = resizeFlow(flow, q.shape[1], q.shape[2]);
      const seen = this.combine.forward(flowAttention(q, k, v, fitted, { heads: HEADS, radius: RADIUS }));
      return this.norm.forward(residual(seen, chain(seen, this.perceptron)));
    });
  }
}

/** The same flow for a picture of another size. */
function resizeFlow(flow: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const [, h, w] = flow.shape;
  if (h === height && w === width) return flow;
  return tf.mul(resize(flow, height, width, { mode: 'bilinear' }), tf.tensor1d([width / w, height / h]));
}

interface ConvsOptions {
  /** `down` halves the size in the first convolution, `up` doubles it before. Default `same`. */
  readonly sampling?: 'same' | 'down' | 'up';
  /** Default 2. */
  readonly count?: 1 | 2;
}

/** 3x3 convolutions with leaky ReLUs. */
class Convs extends Module {
  private readonly layers: Conv2d[];
  private readonly sampling: ConvsOptions['sampling'];

  constructor(inputs: number, outputs: number, { sampling = 'same', count = 2 }: ConvsOptions) {
    super();
    this.sampling = sampling;
    const first = sampling === 'up' ? 1 : 0; // of the official sequence, where the upsampling is number 0
    this.layers = Array.from({ length: count }, (_, i) => {
      const stride = sampling === 'down' && i === 0 ? 2 : 1;
      const conv = new Conv2d(i === 0 ? inputs : outputs, outputs, 3, {
        padding: 1,
        stride,
        activation: LEAKY,
      });
      return this.child(`conv.${first + 2 * i}`, conv);
    });
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    if (this.sampling !== 'up') return chain(x, this.layers);
    return chain(x, [{ forward: nearestUpsample2 }, ...this.layers]);
  }
}

/** torch.nn.GroupNorm with one group. Keys `weight`, `bias`. */
class PictureNorm extends Module {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  constructor(channels: number) {
    super();
    this.weight = this.parameter('weight', [channels], constant(1));
    this.bias = this.parameter('bias', [channels], constant(0));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return pictureNorm(x, this.weight.value(), this.bias.value(), NORM_EPSILON);
  }
}
