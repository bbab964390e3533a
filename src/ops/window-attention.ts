/**
 * Multi-head self-attention inside windows of an image, shifted or not: the attention of Swin Transformer (Liu et al.,
 * ICCV 2021) as SwinIR and DAT use it, as one differentiable op between the qkv projection and the output projection.
 * Facts from JingyunLiang/SwinIR @ 6545850 (`models/network_swinir.py`) and zhengchen1999/DAT @ 1645c64
 * (`basicsr/archs/dat_arch.py`).
 *
 * The heads are divided evenly, in order, over one or more groups, and each group has its own window and shift: SwinIR
 * has one group of 8x8 windows, DAT two groups of 8x32 and 32x8. All windows hold the same number N of tokens.
 * For a group with window (wh, ww) and shift (sh, sw):
 *
 *   position p of the rolled map is position (p + shift) mod (H, W) of the image;
 *   windows are the wh x ww tiles of the rolled map, row-major, and tokens are row-major inside a window;
 *   logits[i,j] = scale q_i . k_j + bias[head,i,j] + mask[window,i,j];   y_i = sum over j of softmax_j(logits)[i,j] v_j.
 *
 * The mask exists only where the group is shifted. It keeps tokens apart that the roll has brought together: on each axis
 * (length L, window w, shift s) a rolled position is in zone 0 if p < L - w, 1 if p < L - s, else 2, and the mask is -100
 * between tokens whose zones differ on either axis, else 0.
 *
 * An engine may supply this as two fused kernels (`fused.ts`), which never store the N x N matrices:
 *
 *   WindowAttention      inputs  qkv [B, H, W, 3C], bias [heads, N, N]
 *                        attrs   heads; scale; window = [wh, ww] of each group in a row; shift = [sh, sw] likewise
 *                        outputs y [B, H, W, C];
 *                                lse [B, H W / N, heads, N], log of the sum over j of exp(logits), for the gradient
 *   WindowAttentionGrad  inputs  dy, y [B, H, W, C], qkv, bias, lse
 *                        attrs   the same
 *                        outputs dqkv [B, H, W, 3C], dbias [heads, N, N]
 *
 * Channels of qkv are [q | k | v], each head-major (C = heads * d); y is head-major. H and W are multiples of every window.
 * With P = exp(logits - lse): dv = P^T dy; dP = dy v^T; dlogits = P (dP - sum over j of P dP), and that sum is dy . y;
 * dq = scale dlogits k; dk = scale dlogits^T q; dbias = sum of dlogits over batch and windows.
 *
 * The portable composition below is the definition of both. It stores N x N matrices for all windows of a group at a
 * time, forward and backward, but none in between.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { addMacs } from './mac-count';
import { misfit } from './shapes';

/** Rows and columns. */
export type Size2 = readonly [number, number];

/** Windows of one group of heads. Both sizes divide the image; the shift is less than the window, 0 for none. */
export interface WindowGroup {
  readonly window: Size2;
  readonly shift: Size2;
}

export interface WindowAttentionOptions {
  /** All heads together, a multiple of the number of groups. */
  readonly heads: number;
  /** Factor of q . k, as a rule 1 / sqrt(C / heads). */
  readonly scale: number;
  readonly groups: readonly WindowGroup[];
}

/** Between tokens that the roll brought together; finite, as in the official code. */
const MASKED = -100;

/**
 * @param qkv [B, H, W, 3C], H and W multiples of every window
 * @param bias [heads, N, N] for N tokens a window
 * @returns [B, H, W, C]
 */
export function windowAttention(
  qkv: tf.Tensor4D,
  bias: tf.Tensor3D,
  options: WindowAttentionOptions,
): tf.Tensor4D {
  const { heads, scale, groups } = options;
  const [b, h, w, c3] = qkv.shape;
  const tokens = bias.shape[1];
  const square = bias.shape[0] === heads && bias.shape[2] === tokens;
  if (!square || heads % groups.length !== 0 || c3 % (3 * heads) !== 0) {
    throw misfit('windowAttention', { qkv, bias, heads, groups: groups.length });
  }
  for (const { window } of groups) {
    if (h % window[0] !== 0 || w % window[1] !== 0 || window[0] * window[1] !== tokens) {
      throw new Error(
        `windowAttention: windows of ${window.join('x')} with bias [${bias.shape.join(', ')}] on a ${h}x${w} image`,
      );
    }
  }
  addMacs((2 * b * h * w * tokens * c3) / 3); // q k^T and P v
  const attrs = {
    heads,
    scale,
    window: groups.flatMap((g) => [...g.window]),
    shift: groups.flatMap((g) => [...g.shift]),
  };
  const op = tf.customGrad((...args) => {
    const [qkv, bias, save] = args as unknown as [tf.Tensor4D, tf.Tensor3D, tf.GradSaveFunc];
    if (hasFused('WindowAttention')) {
      const [y, lse] = runFused<tf.Tensor[]>('WindowAttention', { qkv, bias }, attrs);
      save([y, qkv, bias, lse]);
      return {
        value: y,
        gradFunc: (dy: tf.Tensor, [y, qkv, bias, lse]: tf.Tensor[]) =>
          runFused<tf.Tensor[]>('WindowAttentionGrad', { dy, y, qkv, bias, lse }, attrs),
      };
    }
    save([qkv, bias]);
    return {
      value: forward(qkv, bias, options),
      gradFunc: (dy: tf.Tensor, [qkv, bias]: tf.Tensor[]) =>
        backward(dy as tf.Tensor4D, qkv as tf.Tensor4D, bias as tf.Tensor3D, options),
    };
  });
  return op(qkv, bias) as tf.Tensor4D;
}

function forward(qkv: tf.Tensor4D, bias: tf.Tensor3D, options: WindowAttentionOptions): tf.Tensor4D {
  return tf.tidy(() => {
    const outputs = parts(qkv, options).map((part) =>
      tf.tidy(() => {
        const [q, k, v] = toHeads(qkv, 3, part);
        return toImage([tf.matMul(probabilities(q, k, bias, part), v)], part);
      }),
    );
    const [b, h, w, c3] = qkv.shape;
    return tf.reshape(tf.concat(outputs, 2), [b, h, w, c3 / 3]);
  });
}

function backward(
  dy: tf.Tensor4D,
  qkv: tf.Tensor4D,
  bias: tf.Tensor3D,
  options: WindowAttentionOptions,
): tf.Tensor[] {
  return tf.tidy(() => {
    const gradients = parts(qkv, options).map((part) =>
      // A tidy of its own: the N x N matrices of one group are freed before those of the next are made.
      tf.tidy(() => {
        const [q, k, v] = toHeads(qkv, 3, part);
        const [dyHeads] = toHeads(dy, 1, part);
        const p = probabilities(q, k, bias, part);
        const dv = tf.matMul(p, dyHeads, true);
        const weighted = tf.mul(p, tf.matMul(dyHeads, v, false, true)); // P dP
        const dlogits = tf.sub(weighted, tf.mul(p, tf.sum(weighted, -1, true)));
        const dq = tf.mul(tf.matMul(dlogits, k), part.scale);
        const dk = tf.mul(tf.matMul(dlogits, q, true), part.scale);
        return [toImage([dq, dk, dv] as tf.Tensor4D[], part), tf.sum(dlogits, 0)] as tf.Tensor[];
      }),
    );
    const dqkv = gradients.map(([d]) => d);
    const dbias = gradients.map(([, d]) => d);
    return [tf.reshape(tf.concat(dqkv, 2), qkv.shape), tf.concat(dbias, 0)];
  });
}

/** One group of heads on a batch of images of B x H x W. */
interface Part extends WindowGroup {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** The group's place, and how many there are. */
  readonly index: number;
  readonly count: number;
  /** Heads of the group. */
  readonly heads: number;
  readonly scale: number;
}

function parts(qkv: tf.Tensor4D, { heads, scale, groups }: WindowAttentionOptions): Part[] {
  const [batch, height, width] = qkv.shape;
  const count = groups.length;
  return groups.map((group, index) => ({
    ...group,
    batch,
    height,
    width,
    index,
    count,
    heads: heads / count,
    scale,
  }));
}

/** Softmax over the keys of scale q k^T + bias + mask. q, k [B windows, h, N, d], bias [heads, N, N]. */
function probabilities(q: tf.Tensor4D, k: tf.Tensor4D, bias: tf.Tensor3D, part: Part): tf.Tensor4D {
  const [bw, h, n] = q.shape;
  const own = tf.slice(bias, [part.index * h, 0, 0], [h, n, n]);
  let logits: tf.Tensor = tf.add(tf.matMul(tf.mul(q, part.scale), k, false, true), own); // [B windows, h, N, N]
  if (part.shift.some((s) => s > 0)) {
    const mask = tf.expandDims(shiftMask([part.height, part.width], part), 1); // [windows, 1, N, N]
    logits = tf.add(tf.reshape(logits, [part.batch, bw / part.batch, h, n, n]), mask);
  }
  return tf.softmax(tf.reshape(logits, [bw, h, n, n]));
}

/**
 * The mask of shifted windows on a (rolled) map of `size`.
 * @returns [windows, N, N], 0 or -100
 */
export function shiftMask(size: Size2, { window, shift }: WindowGroup): tf.Tensor3D {
  const zone = (axis: 0 | 1, p: number): number =>
    p < size[axis] - window[axis] ? 0 : p < size[axis] - shift[axis] ? 1 : 2;
  const regions: number[] = []; // of every token of every window
  for (let top = 0; top < size[0]; top += window[0]) {
    for (let left = 0; left < size[1]; left += window[1]) {
      for (let r = top; r < top + window[0]; r++) {
        for (let c = left; c < left + window[1]; c++) regions.push(3 * zone(0, r) + zone(1, c));
      }
    }
  }
  return tf.tidy(() => {
    const region = tf.tensor2d(regions, [regions.length / (window[0] * window[1]), window[0] * window[1]]);
    // Not notEqual: the WebAssembly backend does not broadcast comparisons.
    const apart = tf.step(tf.abs(tf.sub(tf.expandDims(region, 2), tf.expandDims(region, 1))));
    return tf.mul(apart, MASKED);
  });
}

/** The group's share of [B, H, W, n C], rolled, cut into windows and heads: n tensors [B windows, h, N, d]. */
function toHeads(x: tf.Tensor4D, n: number, part: Part): tf.Tensor4D[] {
  const { batch, height, width, window, shift, heads } = part;
  const [wh, ww] = window;
  const c = x.shape[3] / n / part.count;
  // Every permute is kept at rank 4 and below, where all engines are fast.
  const own = tf.slice(
    tf.reshape(x, [-1, n, c * part.count]),
    [0, 0, c * part.index],
    [batch * height * width, n, c],
  );
  const rolled = roll(tf.reshape(own, [batch, height, width, n * c]), shift);
  const rows = tf.reshape(rolled, [(batch * height) / wh, wh, width / ww, ww * n * c]);
  const windows = tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [-1, wh * ww, n * heads, c / heads]);
  return tf.split(tf.transpose(windows, [0, 2, 1, 3]), n, 1);
}

/** The way back: n tensors [B windows, h, N, d] to [B H W, n, C of the group]. */
function toImage(xs: tf.Tensor4D[], part: Part): tf.Tensor3D {
  const { batch, height, width, window, shift, heads } = part;
  const [wh, ww] = window;
  const n = xs.length;
  const c = heads * xs[0].shape[3];
  const windows = tf.transpose(tf.concat(xs, 1), [0, 2, 1, 3]); // [B windows, N, n h, d]
  const rows = tf.transpose(
    tf.reshape(windows, [(batch * height) / wh, width / ww, wh, ww * n * c]),
    [0, 2, 1, 3],
  );
  const unrolled = roll(tf.reshape(rows, [batch, height, width, n * c]), [-shift[0], -shift[1]]);
  return tf.reshape(unrolled, [-1, n, c]);
}

/** out[b, y, x] = in[b, (y + shift[0]) mod H, (x + shift[1]) mod W]. */
function roll(x: tf.Tensor4D, shift: Size2): tf.Tensor4D {
  const [b, h, w, c] = x.shape;
  const rows = rollAxis1(tf.reshape(x, [b, h, w * c]), shift[0]);
  return tf.reshape(rollAxis1(tf.reshape(rows, [b * h, w, c]), shift[1]), x.shape);
}

function rollAxis1(x: tf.Tensor3D, shift: number): tf.Tensor3D {
  if (shift === 0) return x;
  const [a, n, c] = x.shape;
  const first = (shift + n) % n;
  return tf.concat([tf.slice(x, [0, first, 0], [a, n - first, c]), tf.slice(x, [0, 0, 0], [a, first, c])], 1);
}
