/**
 * CDNet: "Measuring Perceptual Color Differences of Smartphone Photographs" (Wang et al., TPAMI 2023), after
 * hellooks/CDNet @ d9ca525 as the paper's code has it (omarAlezaby/Mimicked_Ali @ 27a5681, `CD_loss.py`). Two pictures go
 * through the same small embedding; their difference is measured with a 12 x 12 matrix. Keys are those of the official
 * `CD-00014.pt`. Weights are frozen: nothing here trains them.
 *
 * The embedding has a per-pixel branch and a wide one (11x11 taps, 3 apart, a reach of 31 pixels). The official code pads
 * the wide one by 5 only, so its map is 20 pixels smaller, and stretches it back: the two branches see places up to 10
 * pixels apart (`geometry: 'released'`). `corrected` pads by 15, so that both see the same place.
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { missingWeights } from '../data/roots';
import type { ColourTerm } from '../losses/colour-difference';
import { constant } from '../nn/init';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import type { ConvOptions } from '../ops/conv';
import { noGradient } from '../ops/no-gradient';
import { resize } from '../ops/resize';
import { InputError } from '../util/errors';
import { parseWeights } from '../weights/load';
import { isTensor, looksLikePyTorch, parsePyTorch, type PyTorchValue } from '../weights/pytorch';
import { readWeightFile, toFloat32, type TensorRecord } from '../weights/tensor-file';

export type CdNetGeometry = 'released' | 'corrected';

const KERNEL = 11;
const DILATION = 3;
const REACH = (KERNEL - 1) * DILATION + 1;
const PADDING = { released: 5, corrected: (REACH - 1) / 2 } as const;
/** The released wide branch leaves nothing of smaller pictures. */
const MINIMUM_SIDE = REACH - 2 * PADDING.released;
const EMBEDDING = 12;
const LEAKY = { activation: { kind: 'leakyRelu', slope: 0.01 } } as const satisfies ConvOptions;

export class CdNet extends Module implements ColourTerm {
  readonly name: string;
  readonly minimumSide = MINIMUM_SIDE;
  private readonly narrow: Conv2d;
  private readonly wide: Conv2d;
  private readonly mixers: Conv2d[];
  private readonly cube: Parameter;

  constructor(private readonly geometry: CdNetGeometry = 'released') {
    super();
    this.name = `cdnet-${geometry}`;
    this.narrow = this.child('conv1x1', new Conv2d(3, 32, 1, { bias: false }));
    this.wide = this.child(
      'conv11x11',
      new Conv2d(3, 32, KERNEL, { padding: PADDING[geometry], dilation: DILATION, bias: false }),
    );
    this.mixers = [
      this.child('conv_m1', new Conv2d(64, 32, 1, { bias: false, ...LEAKY })),
      this.child('conv_m2', new Conv2d(32, 16, 1, { bias: false, ...LEAKY })),
      this.child('conv_m3', new Conv2d(16, EMBEDDING, 1, { bias: false })),
    ];
    this.cube = this.parameter('cube', [EMBEDDING, EMBEDDING], constant(0));
    this.freeze();
  }

  /**
   * CDNet with the weights of a file: the official `CD-00014.pt`, or a converted one.
   * @throws InputError if there is no such file (saying where it comes from) or its tensors do not fit
   */
  static load(path: string, geometry?: CdNetGeometry): CdNet {
    if (!existsSync(path)) {
      throw missingWeights('CDNet weights', path, 'cdnet', "colour 'cielab', which needs none");
    }
    return new CdNet(geometry).loadStateDict(readCdNet(path), path);
  }

  /**
   * Mean over the pixels of sqrt(1e-8 + v^T A v), v = |e(first) - e(second)|, A = (|cube| + |cube|^T) / 2.
   * Equal pictures give 1e-4, without gradient.
   */
  difference(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor1D {
    return tf.mean<tf.Tensor1D>(this.differenceMap(first, second), [1, 2]);
  }

  /** The difference at every pixel: [B, H, W]. */
  differenceMap(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor3D {
    const [b, h, w] = first.shape;
    if (h < MINIMUM_SIDE || w < MINIMUM_SIDE) {
      throw new InputError(
        `CDNet compares pictures of at least ${MINIMUM_SIDE}x${MINIMUM_SIDE} pixels, found ${h}x${w}: ` +
          'train on larger patches or choose another colour term',
      );
    }
    const difference = tf.sub(this.embed(first), this.embed(second));
    // |d| as d times its sign: at 0 the gradient is 0, as in PyTorch.
    const v = tf.reshape(
      tf.mul(
        difference,
        noGradient(() => tf.sign(difference)),
      ),
      [-1, EMBEDDING],
    );
    const form = tf.sum(tf.mul(tf.matMul(v, this.matrix()), v), 1); // v^T A v, [B H W]
    return tf.reshape(tf.sqrt(tf.add(form, 1e-8)), [b, h, w]);
  }

  /** [B, H, W, 3] RGB in [0,1] to [B, H, W, 12]. */
  embed(image: tf.Tensor4D): tf.Tensor4D {
    const [, h, w] = image.shape;
    const p = this.narrow.forward(image);
    const q = this.wide.forward(image); // [B, H - 20, W - 20, 32] in the released geometry
    const fitted =
      this.geometry === 'corrected' ? q : resize(q, h, w, { mode: 'bilinear', alignCorners: true });
    const both = tf.leakyRelu<tf.Tensor4D>(tf.concat([p, fitted], 3), LEAKY.activation.slope);
    return this.mixers.reduce((x, conv) => conv.forward(x), both);
  }

  /** A: symmetric, no entry negative. */
  private matrix(): tf.Tensor2D {
    return noGradient(() =>
      tf.tidy(() => {
        const size = tf.abs(this.cube.value<tf.Tensor2D>());
        return tf.div<tf.Tensor2D>(tf.add(size, tf.transpose(size)), 2);
      }),
    );
  }
}

/** The official file has the network under `netF_dict` and the matrix beside it; a converted one has all side by side. */
function readCdNet(path: string): Map<string, TensorRecord> {
  const bytes = readWeightFile(path);
  const state = parseWeights(bytes, path, 'netF_dict');
  if (state.has('cube') || !looksLikePyTorch(bytes)) return state;
  const checkpoint = parsePyTorch(bytes, path);
  const cube = checkpoint instanceof Map ? (checkpoint.get('cube') as PyTorchValue | undefined) : undefined;
  if (isTensor(cube)) state.set('cube', { shape: cube.shape, data: toFloat32(cube) });
  return state;
}
