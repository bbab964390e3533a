/**
 * Attention of each pixel of one map to a window of another that optical flow points at: AlignFormer's geometric
 * alignment (Feng et al., CVPR 2023; jnjaby/AlignFormer @ 3ef8a4b, `alignformer_arch.py`). For pixel p, head by head:
 *
 *   logits[o] = q[p] . k(p + flow[p] + o) / sqrt(d),   P = softmax over o,   y[p] = sum over o of P[o] v(p + flow[p] + o),
 *
 * o over the (2 r + 1)^2 whole steps of the window, k(.) and v(.) bilinear between pixels and zero outside.
 *
 * All samples of a pixel lie equally far between pixels, and interpolation is linear. So the products are taken with the
 * (2 r + 2)^2 pixels around ("taps") and interpolated afterwards, and the attention is spread over the taps before it
 * weighs v: 36 taps in place of 25 samples of 4 pixels each.
 *
 * An engine may supply this as two fused kernels (`fused.ts`); the composition below is their definition.
 *
 *   FlowAttention      inputs  q, k, v [B, H, W, C], flow [B, H, W, 2]; attrs heads, radius
 *                      outputs y [B, H, W, C]; p, the attention in a layout of the engine's own
 *   FlowAttentionGrad  inputs  dy, q, k, v, flow, p; the same attrs
 *                      outputs dq, dk, dv
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { addMacs } from './mac-count';
import { isFlowOf, misfit, sameShape } from './shapes';

export interface FlowAttentionOptions {
  /** They divide the channels. */
  readonly heads: number;
  /** r: the window reaches this many pixels to each side. */
  readonly radius: number;
}

/**
 * @param q [B, H, W, C] of the picture that asks
 * @param k,v [B, H, W, C] of the picture that is looked at
 * @param flow [B, H, W, 2] in pixels, x before y: a constant
 * @returns [B, H, W, C], differentiable in q, k and v
 */
export function flowAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  flow: tf.Tensor4D,
  options: FlowAttentionOptions,
): tf.Tensor4D {
  const { heads } = options;
  if (!sameShape(q, k) || !sameShape(q, v) || !isFlowOf(flow, q) || q.shape[3] % heads !== 0) {
    throw misfit('flowAttention', { q, k, v, flow, heads });
  }
  addMacs(2 * q.size * (2 * options.radius + 1) ** 2); // q . k and P v
  const attrs = { ...options };
  const op = tf.customGrad((...args) => {
    const [q, k, v, save] = args as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc];
    const fused = hasFused('FlowAttention');
    const [y, p] = fused
      ? runFused<tf.Tensor[]>('FlowAttention', { q, k, v, flow }, attrs)
      : forward(q, k, v, flow, options);
    save([q, k, v, flow, p]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, [q, k, v, flow, p]: tf.Tensor[]) =>
        fused
          ? runFused<tf.Tensor[]>('FlowAttentionGrad', { dy, q, k, v, flow, p }, attrs)
          : backward([dy, q, k, v, flow] as tf.Tensor4D[], p as tf.Tensor3D, options),
    };
  });
  return op(q, k, v) as tf.Tensor4D;
}

function forward(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  flow: tf.Tensor4D,
  { heads, radius }: FlowAttentionOptions,
): tf.Tensor[] {
  return tf.tidy(() => {
    const window = new Window(flow, heads, radius);
    const [queries, keys, values] = [q, k, v].map(pixels);
    const products = window.products(queries, keys); // [taps, N, heads]
    const logits = tf.mul(window.interpolate(products), scaleOf(q, heads)); // [window, N, heads]
    const grown = tf.exp(tf.sub(logits, tf.max(logits, 0, true)));
    const p = tf.div<tf.Tensor3D>(grown, tf.sum(grown, 0, true));
    return [tf.reshape(window.weighted(window.spread(p), values), q.shape), p];
  });
}

/**
 * With W = spread(P): dv at a tap sums W dy; dP = interpolate(dy . v); dlogits = P (dP - sum of P dP);
 * d(q . k) = spread(dlogits) / sqrt(d), from which dq sums the taps' k, and dk at a tap sums q.
 */
function backward(
  [dy, q, k, v, flow]: tf.Tensor4D[],
  p: tf.Tensor3D,
  { heads, radius }: FlowAttentionOptions,
): tf.Tensor[] {
  return tf.tidy(() => {
    const window = new Window(flow, heads, radius);
    const [queries, keys, values, gradient] = [q, k, v, dy].map(pixels);
    const weighted = tf.mul(p, window.interpolate(window.products(gradient, values))); // P dP
    const dlogits = tf.sub<tf.Tensor3D>(weighted, tf.mul(p, tf.sum(weighted, 0, true)));
    const dproducts = tf.mul<tf.Tensor3D>(window.spread(dlogits), scaleOf(q, heads));
    const dq = window.weighted(dproducts, keys);
    const dk = window.scattered(dproducts, queries);
    const dv = window.scattered(window.spread(p), gradient);
    return [dq, dk, dv].map((t) => tf.reshape(t, q.shape));
  });
}

/** [B, H, W, C] as [N, C], N = B H W. */
function pixels(x: tf.Tensor4D): tf.Tensor2D {
  return tf.reshape(x, [-1, x.shape[3]]);
}

/** 1 / sqrt(channels of a head). */
function scaleOf(q: tf.Tensor4D, heads: number): number {
  return 1 / Math.sqrt(q.shape[3] / heads);
}

/** The taps of every pixel's window, row by row: where they lie, and how its samples lie between them. */
class Window {
  /** Taps along a side: one more than samples. */
  private readonly side: number;
  /** Of each tap, [N] rows of the map as [N, C]; some row where the tap lies outside. */
  private readonly index: tf.Tensor1D[] = [];
  /** Of each tap, [N, 1]: 1 inside the picture, 0 outside. */
  private readonly inside: tf.Tensor2D[] = [];
  /** [N, 1]: how far the samples lie beyond the taps to their upper left. */
  private readonly beyond: Record<'x' | 'y', tf.Tensor2D>;

  constructor(
    flow: tf.Tensor4D,
    private readonly heads: number,
    radius: number,
  ) {
    const [b, h, w] = flow.shape;
    const n = b * h * w;
    this.side = 2 * radius + 2;
    const [u, v] = tf.split(tf.reshape(flow, [n, 2]), 2, 1);
    const columns = tf.reshape(tf.tile(tf.range(0, w), [b * h]), [n, 1]);
    const lines = tf.reshape(tf.tile(tf.reshape(tf.range(0, h), [1, h, 1]), [b, 1, w]), [n, 1]);
    const [x, y] = [axis(tf.add(columns, u), w, radius), axis(tf.add(lines, v), h, radius)];
    this.beyond = { x: x.beyond, y: y.beyond };
    const picture = tf.reshape(tf.tile(tf.reshape(tf.range(0, b, 1, 'int32'), [b, 1]), [1, h * w]), [n, 1]);
    const start = tf.mul(picture, tf.scalar(h * w, 'int32'));
    for (let i = 0; i < this.side; i++) {
      const row = tf.add(start, tf.mul(y.index[i], tf.scalar(w, 'int32')));
      for (let j = 0; j < this.side; j++) {
        this.index.push(tf.reshape(tf.add(row, x.index[j]), [n]));
        this.inside.push(tf.mul(y.inside[i], x.inside[j]));
      }
    }
  }

  /** Products, head by head, of a pixel's channels with those of its taps: [N, C] twice to [taps, N, heads]. */
  products(own: tf.Tensor2D, map: tf.Tensor2D): tf.Tensor3D {
    const planes = this.index.map((index, t) =>
      tf.tidy(() => {
        const both = tf.mul<tf.Tensor2D>(own, tf.gather(map, index));
        return tf.mul(tf.sum(this.byHead(both), 2), this.inside[t]); // [N, heads]
      }),
    );
    return tf.stack(planes) as tf.Tensor3D;
  }

  /** Sum of the taps' channels with a weight each: [taps, N, heads] and [N, C] to [N, C]. */
  weighted(weights: tf.Tensor3D, map: tf.Tensor2D): tf.Tensor2D {
    return this.accumulate(map, (t) =>
      tf.mul(this.byHead(tf.gather<tf.Tensor2D>(map, this.index[t])), this.weight(weights, t)),
    );
  }

  /** The reverse of `weighted`: each pixel adds its channels, weighted, to those of its taps. */
  scattered(weights: tf.Tensor3D, own: tf.Tensor2D): tf.Tensor2D {
    const heads = this.byHead(own);
    return this.accumulate(own, (t) => {
      const shares = tf.reshape(tf.mul(heads, this.weight(weights, t)), own.shape);
      return tf.scatterND(tf.expandDims(this.index[t], 1), shares, own.shape);
    });
  }

  /** From the taps to the samples between them: [taps, N, heads] to [(2 r + 1)^2, N, heads]. */
  interpolate(taps: tf.Tensor3D): tf.Tensor3D {
    const { side, beyond } = this;
    const [, n, heads] = taps.shape;
    const square = tf.reshape<tf.Rank.R4>(taps, [side, side, n, heads]);
    const along = (x: tf.Tensor4D, axis: 0 | 1, share: tf.Tensor2D): tf.Tensor4D => {
      const size = x.shape.map((s, i) => (i === axis ? s - 1 : s)) as [number, number, number, number];
      const second = tf.slice(x, axis === 0 ? [1, 0, 0, 0] : [0, 1, 0, 0], size);
      return tf.add(tf.mul(tf.slice(x, [0, 0, 0, 0], size), tf.sub(1, share)), tf.mul(second, share));
    };
    return tf.reshape(along(along(square, 0, beyond.y), 1, beyond.x), [(side - 1) ** 2, n, heads]);
  }

  /** The reverse of `interpolate`: what each sample holds is shared out to the taps around it. */
  spread(samples: tf.Tensor3D): tf.Tensor3D {
    const { side, beyond } = this;
    const [, n, heads] = samples.shape;
    const square = tf.reshape<tf.Rank.R4>(samples, [side - 1, side - 1, n, heads]);
    const along = (x: tf.Tensor4D, axis: 0 | 1, share: tf.Tensor2D): tf.Tensor4D => {
      const padded = (y: tf.Tensor4D, before: number): tf.Tensor4D => {
        const own: [number, number] = [before, 1 - before];
        return tf.pad(y, axis === 0 ? [own, [0, 0], [0, 0], [0, 0]] : [[0, 0], own, [0, 0], [0, 0]]);
      };
      return tf.add(padded(tf.mul(x, tf.sub(1, share)), 0), padded(tf.mul(x, share), 1));
    };
    return tf.reshape(along(along(square, 1, beyond.x), 0, beyond.y), [side ** 2, n, heads]);
  }

  /** [N, C] as [N, heads, C / heads]. */
  private byHead(x: tf.Tensor2D): tf.Tensor3D {
    const [n, c] = x.shape;
    return tf.reshape(x, [n, this.heads, c / this.heads]);
  }

  /** [N, heads, 1] of one tap, 0 where it lies outside. */
  private weight(weights: tf.Tensor3D, tap: number): tf.Tensor3D {
    const [, n, heads] = weights.shape;
    const own = tf.reshape(tf.slice(weights, [tap, 0, 0], [1, n, heads]), [n, heads]);
    return tf.expandDims(tf.mul(own, this.inside[tap]), 2);
  }

  /** Sum over the taps, holding two maps at a time. */
  private accumulate(like: tf.Tensor2D, part: (tap: number) => tf.Tensor): tf.Tensor2D {
    let sum = tf.zerosLike(like);
    for (let t = 0; t < this.index.length; t++) {
      const next = tf.tidy(() => tf.add<tf.Tensor2D>(sum, tf.reshape(part(t), like.shape)));
      sum.dispose();
      sum = next;
    }
    return sum;
  }
}

/** Along one axis of `size` pixels, for positions [N, 1]: the taps' pixels, which of them exist, and the share beyond. */
function axis(
  position: tf.Tensor,
  size: number,
  radius: number,
): { index: tf.Tensor[]; inside: tf.Tensor[]; beyond: tf.Tensor2D } {
  // Far positions are brought to where all taps lie outside as well, so that no index overflows.
  const near = tf.clipByValue(position, -radius - 2, size + radius + 1);
  const low = tf.floor(near);
  const taps = Array.from({ length: 2 * radius + 2 }, (_, i) => tf.add(low, i - radius));
  return {
    index: taps.map((k) => tf.cast(tf.clipByValue(k, 0, size - 1), 'int32')),
    inside: taps.map((k) =>
      tf.cast(tf.logicalAnd(tf.greaterEqual(k, 0), tf.lessEqual(k, size - 1)), 'float32'),
    ),
    beyond: tf.sub(near, low),
  };
}
