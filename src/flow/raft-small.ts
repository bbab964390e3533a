/**
 * RAFT-small: "Recurrent All-Pairs Field Transforms for Optical Flow" (Teed and Deng, ECCV 2020), the small variant of
 * princeton-vl/RAFT: the stand-in where PWC-Net's weights cannot be had. State-dict keys are the official ones.
 *
 * Left out: training, warm starts, the large variant. It needs pictures of at least 128 pixels a side (below, the
 * coarsest correlation level is a single pixel), so LR patches are enlarged and their flow scaled back.
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { missingWeights } from '../data/roots';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import { noGradient } from '../ops/no-gradient';
import { resize } from '../ops/resize';
import { readWeights } from '../weights/load';
import { estimateResized, type FlowEstimator } from './estimator';

const HIDDEN = 96;
const CONTEXT = 64;
/** Features, flow and correlations live at 1/8 of the picture's size. */
const REDUCTION = 8;
const CORRELATION_LEVELS = 4;
const LOOKUP_RADIUS = 3;
const CORRELATION_CHANNELS = CORRELATION_LEVELS * (2 * LOOKUP_RADIUS + 1) ** 2;
const MINIMUM_SIDE = 128;

export class RaftSmall extends Module implements FlowEstimator {
  readonly name = 'raft-small';
  private readonly features: Encoder;
  private readonly context: Encoder;
  private readonly update: UpdateBlock;

  /** @param iterations refinements of the flow; 12 in the official demo */
  constructor(private readonly iterations = 12) {
    super();
    this.features = this.child('fnet', new Encoder(128, true));
    this.context = this.child('cnet', new Encoder(HIDDEN + CONTEXT, false));
    this.update = this.child('update_block', new UpdateBlock());
    this.freeze();
  }

  /**
   * RAFT-small with the weights of a file (the official `raft-small.pth` or safetensors).
   * @throws InputError if there is no such file (saying where it comes from) or its tensors do not fit
   */
  static load(path: string): RaftSmall {
    if (!existsSync(path)) {
      throw missingWeights(
        'RAFT-small weights',
        path,
        'raft-small',
        "flow 'small', which comes with the kit",
      );
    }
    return new RaftSmall().loadStateDict(readWeights(path), path);
  }

  estimate(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor4D {
    const fit = (side: number): number => REDUCTION * Math.ceil(Math.max(side, MINIMUM_SIDE) / REDUCTION);
    return noGradient(() =>
      tf.tidy(() => estimateResized(first, second, fit, (a, b) => this.flow(a, b, this.iterations))),
    );
  }

  /**
   * The network itself. Call it inside tf.tidy.
   * @param first [B, H, W, 3] RGB in [0,1], H and W multiples of 8 and at least 128
   * @returns [B, H, W, 2], the flow in pixels after `iterations` refinements
   */
  flow(first: tf.Tensor4D, second: tf.Tensor4D, iterations: number): tf.Tensor4D {
    const [b, height, width] = first.shape;
    const pyramid = this.correlations(first, second);
    const [hidden, context] = this.contextOf(first);
    const [h, w] = [height / REDUCTION, width / REDUCTION];
    let state = hidden; // [B, h, w, 96]
    let flow = tf.zeros<tf.Rank.R4>([b, h, w, 2]);
    for (let i = 0; i < iterations; i++) {
      const [nextState, nextFlow] = tf.tidy(() => {
        const correlation = lookUp(pyramid, flow);
        const { state: next, change } = this.update.forward(state, context, correlation, flow);
        return [next, tf.add<tf.Tensor4D>(flow, change)];
      });
      tf.dispose([state, flow]);
      [state, flow] = [nextState, nextFlow];
    }
    return tf.mul(resize(flow, height, width, { mode: 'bilinear', alignCorners: true }), REDUCTION);
  }

  /** [B, H, W, 3] to features [B, H/8, W/8, 128]. */
  featuresOf(image: tf.Tensor4D): tf.Tensor4D {
    return this.features.forward(signed(image));
  }

  /** [B, H, W, 3] to the initial state [B, H/8, W/8, 96] and the context [B, H/8, W/8, 64]. */
  contextOf(image: tf.Tensor4D): [tf.Tensor4D, tf.Tensor4D] {
    const [hidden, context] = tf.split<tf.Tensor4D>(
      this.context.forward(signed(image)),
      [HIDDEN, CONTEXT],
      3,
    );
    return [tf.tanh(hidden), tf.relu(context)];
  }

  /**
   * Products of every feature of the first picture with every one of the second, over sqrt(channels): per pixel of the
   * first a map of the second, [B h w, h, w], and this map at 1/2, 1/4 and 1/8 of its size.
   */
  private correlations(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor3D[] {
    const [a, b] = [this.featuresOf(first), this.featuresOf(second)];
    const [batch, h, w, c] = a.shape;
    const rows = (x: tf.Tensor4D): tf.Tensor3D => tf.reshape(x, [batch, h * w, c]);
    const products = tf.div<tf.Tensor3D>(tf.matMul(rows(a), rows(b), false, true), Math.sqrt(c));
    let map = tf.reshape<tf.Rank.R4>(products, [batch * h * w, h, w, 1]);
    const pyramid: tf.Tensor3D[] = [];
    for (let level = 0; level < CORRELATION_LEVELS; level++) {
      if (level > 0) map = tf.avgPool(map, 2, 2, 'valid');
      pyramid.push(tf.squeeze<tf.Tensor3D>(map, [3]));
    }
    return pyramid;
  }
}

/** [0,1] to [-1,1]. */
function signed(image: tf.Tensor4D): tf.Tensor4D {
  return tf.sub(tf.mul(image, 2), 1);
}

/**
 * The correlations around where the flow points, on every level: a window of 7 x 7 whole steps about a position between
 * pixels, bilinear, zero outside. Written as two small matrices per pixel, whose rows are the hat functions
 * max(0, 1 - |k - position|) of the window's columns and lines.
 * @param pyramid per level [B h w, h_l, w_l]
 * @param flow [B, h, w, 2]
 * @returns [B, h, w, 196], level by level; within one, the step along x is the slow index (as in the official code)
 */
function lookUp(pyramid: readonly tf.Tensor3D[], flow: tf.Tensor4D): tf.Tensor4D {
  const [b, h, w] = flow.shape;
  const n = b * h * w;
  const [u, v] = tf.split(flow, 2, 3);
  const x = tf.reshape(tf.add(u, tf.reshape(tf.range(0, w), [1, 1, w, 1])), [n, 1, 1]);
  const y = tf.reshape(tf.add(v, tf.reshape(tf.range(0, h), [1, h, 1, 1])), [n, 1, 1]);
  const steps = tf.reshape(tf.range(-LOOKUP_RADIUS, LOOKUP_RADIUS + 1), [1, -1, 1]); // [1, 7, 1]
  const hats = (centre: tf.Tensor, size: number): tf.Tensor3D => {
    const positions = tf.add(centre, steps); // [n, 7, 1]
    const pixels = tf.reshape(tf.range(0, size), [1, 1, size]);
    return tf.relu(tf.sub<tf.Tensor3D>(1, tf.abs(tf.sub(positions, pixels)))); // [n, 7, size]
  };
  const windows = pyramid.map((map, level) =>
    tf.tidy(() => {
      const [, height, width] = map.shape;
      const columns = hats(tf.div(x, 2 ** level), width); // [n, 7, w_l]
      const lines = hats(tf.div(y, 2 ** level), height); // [n, 7, h_l]
      const across = tf.matMul(columns, map, false, true); // [n, 7, h_l]
      return tf.reshape(tf.matMul(across, lines, false, true), [b, h, w, -1]); // 7 along x, 7 along y
    }),
  );
  return tf.concat(windows, 3) as tf.Tensor4D;
}

/** Mean 0 and variance 1 over the pixels of each picture and channel; no learned scale. */
function instanceNorm(x: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, [1, 2], true));
    const variance = tf.mean(tf.square(centred), [1, 2], true);
    return tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
  });
}

/** A picture to 1/8 of its size: a 7x7 convolution and three pairs of bottleneck blocks. */
class Encoder extends Module {
  private readonly first: Conv2d;
  private readonly blocks: Bottleneck[];
  private readonly last: Conv2d;

  constructor(
    outputs: number,
    private readonly normalised: boolean,
  ) {
    super();
    this.first = this.child('conv1', new Conv2d(3, 32, 7, { stride: 2, padding: 3 }));
    let channels = 32;
    this.blocks = [32, 64, 96].flatMap((width, i) => {
      const pair = [
        new Bottleneck(channels, width, i === 0 ? 1 : 2, normalised),
        new Bottleneck(width, width, 1, normalised),
      ];
      channels = width;
      return pair.map((block, j) => this.child(`layer${i + 1}.${j}`, block));
    });
    this.last = this.child('conv2', new Conv2d(96, outputs, 1));
  }

  forward(image: tf.Tensor4D): tf.Tensor4D {
    const x = this.first.forward(image);
    const start = tf.relu(this.normalised ? instanceNorm(x) : x);
    return this.last.forward(this.blocks.reduce((y, block) => block.forward(y), start));
  }
}

/** 1x1 to a quarter of the width, 3x3, 1x1 back, plus the input (or its strided projection). */
class Bottleneck extends Module {
  private readonly convolutions: Conv2d[];
  private readonly projection?: Conv2d;

  constructor(
    inputs: number,
    outputs: number,
    stride: number,
    private readonly normalised: boolean,
  ) {
    super();
    const narrow = outputs / 4;
    this.convolutions = [
      this.child('conv1', new Conv2d(inputs, narrow, 1)),
      this.child('conv2', new Conv2d(narrow, narrow, 3, { padding: 1, stride })),
      this.child('conv3', new Conv2d(narrow, outputs, 1)),
    ];
    if (stride > 1) this.projection = this.child('downsample.0', new Conv2d(inputs, outputs, 1, { stride }));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const norm = (y: tf.Tensor4D): tf.Tensor4D => (this.normalised ? instanceNorm(y) : y);
    const y = this.convolutions.reduce((z, conv) => tf.relu(norm(conv.forward(z))), x);
    return tf.relu(
      tf.add<tf.Tensor4D>(this.projection === undefined ? x : norm(this.projection.forward(x)), y),
    );
  }
}

/** One refinement: correlation and flow into a recurrent unit, whose state gives the change of the flow. */
class UpdateBlock extends Module {
  private readonly fromCorrelation: Conv2d;
  private readonly fromFlow: [Conv2d, Conv2d];
  private readonly motion: Conv2d;
  private readonly update: Conv2d;
  private readonly reset: Conv2d;
  private readonly candidate: Conv2d;
  private readonly head: [Conv2d, Conv2d];

  constructor() {
    super();
    const relu = (inputs: number, outputs: number, kernel: number): Conv2d =>
      new Conv2d(inputs, outputs, kernel, { padding: (kernel - 1) / 2, activation: 'relu' });
    this.fromCorrelation = this.child('encoder.convc1', relu(CORRELATION_CHANNELS, 96, 1));
    this.fromFlow = [
      this.child('encoder.convf1', relu(2, 64, 7)),
      this.child('encoder.convf2', relu(64, 32, 3)),
    ];
    this.motion = this.child('encoder.conv', relu(128, 80, 3));
    const gate = (): Conv2d => new Conv2d(HIDDEN + CONTEXT + 82, HIDDEN, 3, { padding: 1 });
    this.update = this.child('gru.convz', gate());
    this.reset = this.child('gru.convr', gate());
    this.candidate = this.child('gru.convq', gate());
    this.head = [
      this.child('flow_head.conv1', relu(HIDDEN, 128, 3)),
      this.child('flow_head.conv2', new Conv2d(128, 2, 3, { padding: 1 })),
    ];
  }

  /**
   * @param state [B, h, w, 96]
   * @param context [B, h, w, 64]
   * @param correlation [B, h, w, 196]
   * @param flow [B, h, w, 2]
   */
  forward(
    state: tf.Tensor4D,
    context: tf.Tensor4D,
    correlation: tf.Tensor4D,
    flow: tf.Tensor4D,
  ): { state: tf.Tensor4D; change: tf.Tensor4D } {
    const seen = this.fromCorrelation.forward(correlation); // [B, h, w, 96]
    const moved = this.fromFlow[1].forward(this.fromFlow[0].forward(flow)); // [B, h, w, 32]
    const motion = this.motion.forward(tf.concat([seen, moved], 3)); // [B, h, w, 80]
    const input = tf.concat([context, motion, flow], 3); // [B, h, w, 146]

    const both = tf.concat([state, input], 3);
    const z = tf.sigmoid(this.update.forward(both));
    const r = tf.sigmoid(this.reset.forward(both));
    const q = tf.tanh(this.candidate.forward(tf.concat([tf.mul<tf.Tensor4D>(r, state), input], 3)));
    const next = tf.add<tf.Tensor4D>(tf.mul(tf.sub(1, z), state), tf.mul(z, q));
    return { state: next, change: this.head[1].forward(this.head[0].forward(next)) };
  }
}
