/**
 * Self-attention between the channels of a head ("transposed" attention), as DAT's adaptive channel attention uses it
 * (Chen et al., ICCV 2023; zhengchen1999/DAT @ 1645c64, `basicsr/archs/dat_arch.py`), as one differentiable op between
 * the qkv projection and what follows. With q_i, k_i, v_i the maps of channel i of one image, over all its pixels n:
 *
 *   cosine[i,j] = q_i . k_j / (max(|q_i|, 1e-12) max(|k_j|, 1e-12)) for channels i, j of one head;
 *   P = softmax over j of cosine[i,j] temperature[head];   y_i[n] = sum over j of P[i,j] v_j[n].
 *
 * An engine may supply this as two fused kernels (`fused.ts`):
 *
 *   ChannelAttention      inputs  qkv [B, H, W, 3C], temperature [heads]; attrs heads
 *                         outputs y [B, H, W, C]; p, cosine [B, heads, d, d]; norms [B, 2, C], max(|q_i|, 1e-12) and
 *                                 max(|k_j|, 1e-12)
 *   ChannelAttentionGrad  inputs  dy [B, H, W, C], qkv, temperature, p, cosine, norms; attrs heads
 *                         outputs dqkv [B, H, W, 3C], dtemperature [heads]
 *
 * Channels of qkv are [q | k | v], each head-major (C = heads * d). The gradients, with sums over n for products of maps:
 * dv_j = sum over i of P[i,j] dy_i; dP[i,j] = dy_i . v_j; dL = P (dP - sum over j of P dP);
 * dtemperature = sum over the head of dL cosine; dcos = dL temperature;
 * dq_i = sum over j of dcos[i,j] / (|q_i| |k_j|) k_j - q_i / |q_i|^2 sum over j of dcos cosine, and dk_j alike.
 *
 * The portable composition computes the products of all pairs of channels and masks those between heads: more
 * arithmetic (by the number of heads, on two products that are a small part of a block), but no permute of the maps.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { addMacs } from './mac-count';
import { misfit } from './shapes';

const SMALLEST_NORM = 1e-12;

/**
 * @param qkv [B, H, W, 3C]
 * @param temperature [heads]
 * @returns [B, H, W, C]
 */
export function channelAttention(qkv: tf.Tensor4D, temperature: tf.Tensor1D): tf.Tensor4D {
  const [b, h, w, c3] = qkv.shape;
  const c = c3 / 3;
  const heads = temperature.shape[0];
  if (c % heads !== 0) throw misfit('channelAttention', { qkv, temperature });
  addMacs((2 * b * h * w * c * c) / heads); // q k^T and P v
  const op = tf.customGrad((...args) => {
    const [qkv, temperature, save] = args as unknown as [tf.Tensor4D, tf.Tensor1D, tf.GradSaveFunc];
    const fused = hasFused('ChannelAttention');
    const [y, ...rest] = fused
      ? runFused<tf.Tensor[]>('ChannelAttention', { qkv, temperature }, { heads })
      : forward(qkv, temperature);
    save([qkv, temperature, ...rest]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [qkv, temperature, p, cosine, norms] = saved;
        return fused
          ? runFused<tf.Tensor[]>(
              'ChannelAttentionGrad',
              { dy, qkv, temperature, p, cosine, norms },
              { heads },
            )
          : backward(dy as tf.Tensor4D, saved);
      },
    };
  });
  return op(qkv, temperature) as tf.Tensor4D;
}

/** Output and what the gradient needs; here p and cosine are [B, C, C], with zeros between heads in p. */
function forward(qkv: tf.Tensor4D, temperature: tf.Tensor1D): tf.Tensor[] {
  return tf.tidy(() => {
    const [q, k, v] = maps(qkv); // [B, H W, C] each
    const normQ = norm(q); // [B, 1, C]
    const normK = norm(k);
    const cosine = tf.div(tf.matMul(q, k, true), tf.mul(tf.transpose(normQ, [0, 2, 1]), normK)); // [B, C, C]
    const heads = temperature.shape[0];
    const logits = tf.add(tf.mul(cosine, byChannel(temperature, q.shape[2])), blockMask(q.shape[2], heads));
    const p = tf.softmax(logits);
    const y = tf.reshape(tf.matMul(v, p, false, true), [...qkv.shape.slice(0, 3), q.shape[2]]);
    return [y, p, cosine, tf.concat([normQ, normK], 1)];
  });
}

function backward(dy: tf.Tensor4D, saved: tf.Tensor[]): tf.Tensor[] {
  const [qkv, temperature, p, cosine, norms] = saved as [
    tf.Tensor4D,
    tf.Tensor1D,
    tf.Tensor3D,
    tf.Tensor3D,
    tf.Tensor3D,
  ];
  return tf.tidy(() => {
    const [q, k, v] = maps(qkv);
    const [normQ, normK] = tf.split(norms, 2, 1); // [B, 1, C]
    const [b, n, c] = q.shape;
    const dyMaps = tf.reshape(dy, [b, n, c]);
    const dv = tf.matMul(dyMaps, p);
    const weighted = tf.mul(p, tf.matMul(dyMaps, v, true)); // P dP, [B, C, C]
    const dlogits = tf.sub(weighted, tf.mul(p, tf.sum(weighted, 2, true)));
    const heads = temperature.shape[0];
    const dtemperature = tf.sum(tf.reshape(tf.sum(tf.mul(dlogits, cosine), [0, 2]), [heads, c / heads]), 1);
    const dcosine = tf.mul(dlogits, byChannel(temperature, c));
    const columnQ = tf.transpose(normQ, [0, 2, 1]); // [B, C, 1]
    const dproduct = tf.div(dcosine, tf.mul(columnQ, normK));
    const along = tf.mul(dcosine, cosine);
    // What the norms take away; a map that is 0 everywhere has no direction, and its term is 0.
    const alongQ = tf.div(tf.transpose(tf.sum(along, 2, true), [0, 2, 1]), tf.square(normQ)); // [B, 1, C]
    const alongK = tf.div(tf.sum(along, 1, true), tf.square(normK));
    const dq = tf.sub(tf.matMul(k, dproduct, false, true), tf.mul(q, alongQ));
    const dk = tf.sub(tf.matMul(q, dproduct), tf.mul(k, alongK));
    return [tf.reshape(tf.concat([dq, dk, dv], 2), qkv.shape), dtemperature];
  });
}

/** q, k and v as [B, H W, C]. */
function maps(qkv: tf.Tensor4D): tf.Tensor3D[] {
  const [b, h, w, c3] = qkv.shape;
  return tf.split(tf.reshape(qkv, [b, h * w, c3]), 3, 2);
}

/** max(|x_i|, 1e-12) over the pixels: [B, H W, C] to [B, 1, C]. */
function norm(x: tf.Tensor3D): tf.Tensor3D {
  return tf.maximum(tf.sqrt(tf.sum(tf.square(x), 1, true)), SMALLEST_NORM);
}

/** The temperature of each channel's head, [C, 1]. */
function byChannel(temperature: tf.Tensor1D, channels: number): tf.Tensor2D {
  const heads = temperature.shape[0];
  return tf.reshape(tf.tile(tf.reshape(temperature, [heads, 1]), [1, channels / heads]), [channels, 1]);
}

/** 0 within a head and a number whose exponential is 0 between heads, [C, C]. */
function blockMask(channels: number, heads: number): tf.Tensor2D {
  const d = channels / heads;
  const mask = Float32Array.from({ length: channels * channels }, (_, at) =>
    Math.floor(at / channels / d) === Math.floor((at % channels) / d) ? 0 : -1e9,
  );
  return tf.tensor2d(mask, [channels, channels]);
}
