/**
 * VGG19: "Very Deep Convolutional Networks for Large-Scale Image Recognition" (Simonyan and Zisserman, ICLR 2015) as a set
 * of feature maps in which pictures are compared; keys and layout are torchvision's (`vgg19-dcbb9e9d.pth`), the extractor
 * that of the paper's code (omarAlezaby/Mimicked_Ali @ 27a5681, `vgg_arch.py`). Weights are frozen: nothing trains them.
 *
 * `convX_Y` is a map before its ReLU, `reluX_Y` behind it. Pools are maxima; the contextual loss's authors take averages.
 *
 * Where no weights are at hand, `randomOrthogonal` makes the same stack a quarter as wide with random orthonormal filters:
 * the same for everyone, no more than a fixed non-linear filter bank, and named for what it is.
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { constant, orthogonalRows } from '../nn/init';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import { InputError, unknownName } from '../util/errors';
import { readWeights } from '../weights/load';

/** Convolutions of each of the five blocks, which pools part, and the channels of their maps. */
const BLOCKS = [
  { convs: 2, channels: 64 },
  { convs: 2, channels: 128 },
  { convs: 4, channels: 256 },
  { convs: 4, channels: 512 },
  { convs: 4, channels: 512 },
] as const;

interface ConvPlace {
  /** `1_1` to `5_4`. */
  readonly place: string;
  /** 0-based. */
  readonly block: number;
  /** Number in torchvision's `features`, where a ReLU follows every convolution and a pool every block. */
  readonly index: number;
}

const CONVS: readonly ConvPlace[] = BLOCKS.flatMap(({ convs }, block) => {
  const before = BLOCKS.slice(0, block).reduce((sum, b) => sum + 2 * b.convs + 1, 0);
  return Array.from({ length: convs }, (_, i) => ({
    place: `${block + 1}_${i + 1}`,
    block,
    index: before + 2 * i,
  }));
});

/** Every map: `conv1_1`, `relu1_1`, … `relu5_4`. */
export const VGG_LAYERS: readonly string[] = CONVS.flatMap(({ place }) => [`conv${place}`, `relu${place}`]);

export type VggPooling = 'max' | 'average';

export interface Vgg19Options {
  /** The maps that are wanted; the network ends at the deepest. */
  readonly layers: readonly string[];
  /** Default `max`. */
  readonly pooling?: VggPooling;
}

/** Of ImageNet's RGB in [0,1], as torchvision's weights expect. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

/** Fixed for good: results with these features are compared with each other. */
const RANDOM_SEED = 19;
const RANDOM_NARROWER = 4;

export class Vgg19 extends Module {
  private readonly convs: readonly { readonly at: ConvPlace; readonly conv: Conv2d }[];

  private constructor(
    readonly name: 'vgg19' | 'random-orthogonal',
    private readonly options: Vgg19Options,
  ) {
    super();
    const unknown = options.layers.find((layer) => !VGG_LAYERS.includes(layer));
    if (unknown !== undefined) throw unknownName('VGG19 layer', unknown, VGG_LAYERS);
    const random = name === 'random-orthogonal';
    const channels = (block: number): number => BLOCKS[block].channels / (random ? RANDOM_NARROWER : 1);
    const last = Math.max(
      ...options.layers.map((layer) => CONVS.findIndex(({ place }) => layer.endsWith(place))),
    );
    this.convs = CONVS.slice(0, last + 1).map((at, i) => {
      const conv = new Conv2d(i === 0 ? 3 : channels(CONVS[i - 1].block), channels(at.block), 3, {
        padding: 1,
        // A map that is wanted before its ReLU gets it afterwards.
        ...(options.layers.includes(`conv${at.place}`) ? {} : { activation: 'relu' }),
        // The gain keeps the size of what a ReLU halves.
        ...(random ? { init: { weight: orthogonalRows(Math.SQRT2), bias: constant(0) } } : {}),
      });
      return { at, conv: this.child(`features.${at.index}`, conv) };
    });
    this.freeze();
  }

  /** Without weights yet: `loadStateDict` comes next. */
  static empty(options: Vgg19Options): Vgg19 {
    return new Vgg19('vgg19', options);
  }

  /**
   * VGG19 with the weights of a file: torchvision's, or a converted one. What lies deeper than the deepest layer goes unread.
   * @throws InputError if there is no such file (saying where it comes from) or its tensors do not fit
   */
  static load(path: string, options: Vgg19Options): Vgg19 {
    if (!existsSync(path)) {
      throw new InputError(
        `no VGG19 weights at ${path}: 'mimicsr data fetch vgg19' brings them (entry vgg19 of the data manifests), or choose ` +
          'features that need none: random-orthogonal, or patches of the pictures',
      );
    }
    const net = Vgg19.empty(options);
    const own = new Set([...net.namedParameters()].map(([key]) => key));
    const state = new Map([...readWeights(path)].filter(([key]) => own.has(key)));
    return net.loadStateDict(state, path);
  }

  /** The narrow stack with random orthonormal filters. */
  static randomOrthogonal(options: Vgg19Options): Vgg19 {
    return new Vgg19('random-orthogonal', options).initialise(RANDOM_SEED);
  }

  /**
   * @param image [B, H, W, 3] RGB in [0,1]
   * @returns the maps, in the order of `options.layers`: [B, H / 2^k, W / 2^k, C], k pools before it (sides rounded down)
   */
  features(image: tf.Tensor4D): tf.Tensor4D[] {
    const maps = new Map<string, tf.Tensor4D>();
    let x = tf.div<tf.Tensor4D>(tf.sub(image, tf.tensor1d(MEAN)), tf.tensor1d(STD));
    let block = 0;
    for (const { at, conv } of this.convs) {
      if (at.block > block) x = this.pool(x);
      block = at.block;
      x = conv.forward(x);
      if (this.options.layers.includes(`conv${at.place}`)) {
        maps.set(`conv${at.place}`, x);
        x = tf.relu(x);
      }
      maps.set(`relu${at.place}`, x);
    }
    return this.options.layers.map((layer) => maps.get(layer)!);
  }

  private pool(x: tf.Tensor4D): tf.Tensor4D {
    return this.options.pooling === 'average' ? tf.avgPool(x, 2, 2, 'valid') : tf.maxPool(x, 2, 2, 'valid');
  }
}

/** Pixels along one side of the area that a position of the map stands for: 1, 2, 4, 8 or 16. */
export function vggStride(layer: string): number {
  const at = CONVS.find(({ place }) => layer.endsWith(place));
  return 2 ** (at?.block ?? 0);
}
