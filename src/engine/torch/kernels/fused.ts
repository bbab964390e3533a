/**
 * The fused kernels that src/ops and src/train ask for (src/ops/fused.ts): names, inputs, attributes and results as the
 * op of each documents them. native/kernels/{convolution,norm,attention,channel-attention,flow-attention,sampling,adam}.cc.
 */
import * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import { activation, type ConvAttrs, window2 } from './convolution';
import type { Define } from './define';

type T = tf.TensorInfo;
type Size4 = [number, number, number, number];

interface AttentionAttrs {
  heads: number;
  scale: number;
  window: number[];
  shift: number[];
}

interface WarpAttrs {
  factorX: number;
  factorY: number;
}

interface FlowAttentionAttrs {
  heads: number;
  radius: number;
}

interface AdamAttrs {
  count: number;
  rate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  clip: number;
  correction1: number;
  correction2: number;
}

export function defineFused(define: Define, torch: TorchBackend): void {
  define<{ x: T }>('Gelu', ({ x }) => torch.call('Gelu').tensor(x).one());
  define<{ dy: T; x: T }>('GeluGrad', ({ dy, x }) => torch.call('GeluGrad').tensor(dy).tensor(x).one());
  define<{ x: T }>('ChannelSum', ({ x }) => torch.call('ChannelSum').tensor(x).one());
  define<{ x: T; weight: T; bias: T }, { epsilon: number }>('LayerNorm', ({ x, weight, bias }, { epsilon }) =>
    torch.call('LayerNorm').tensor(x).tensor(weight).tensor(bias).number(epsilon).many(),
  );
  define<{ dy: T; xhat: T; rstd: T; weight: T }>('LayerNormGrad', ({ dy, xhat, rstd, weight }) =>
    torch.call('LayerNormGrad').tensor(dy).tensor(xhat).tensor(rstd).tensor(weight).many(),
  );
  define<{ x: T; weight: T; bias: T }, { epsilon: number }>(
    'BatchNormTraining',
    ({ x, weight, bias }, { epsilon }) =>
      torch.call('BatchNormTraining').tensor(x).tensor(weight).tensor(bias).number(epsilon).many(),
  );
  define<{ dy: T; x: T; weight: T; mean: T; rstd: T }>(
    'BatchNormTrainingGrad',
    ({ dy, x, weight, mean, rstd }) =>
      torch
        .call('BatchNormTrainingGrad')
        .tensor(dy)
        .tensor(x)
        .tensor(weight)
        .tensor(mean)
        .tensor(rstd)
        .many(),
  );

  for (const name of ['ConvGrad', 'DepthwiseConvGrad']) {
    define<{ dy: T; x: T; filter: T; y?: T }, ConvAttrs & { biasGradient: boolean }>(
      name,
      ({ dy, x, filter, y }, a) => {
        const info = tf.backend_util.computeConv2DInfo(
          x.shape as Size4, filter.shape as Size4, a.strides, a.dilations, a.pad, a.dimRoundingMode,
          name === 'DepthwiseConvGrad',
        ); // prettier-ignore
        const call = window2(torch.call(name).tensor(dy).tensor(x).tensor(filter).optional(y), info);
        return activation(call, a.activation, a.leakyreluAlpha).flag(a.biasGradient).many();
      },
    );
  }

  const attention = (call: ReturnType<TorchBackend['call']>, a: AttentionAttrs): T[] =>
    call.number(a.heads).number(a.scale).numbers(a.window).numbers(a.shift).many();
  define<{ qkv: T; bias: T }, AttentionAttrs>('WindowAttention', ({ qkv, bias }, attrs) =>
    attention(torch.call('WindowAttention').tensor(qkv).tensor(bias), attrs),
  );
  define<{ dy: T; y: T; qkv: T; bias: T; lse: T }, AttentionAttrs>(
    'WindowAttentionGrad',
    ({ dy, y, qkv, bias, lse }, attrs) =>
      attention(
        torch.call('WindowAttentionGrad').tensor(dy).tensor(y).tensor(qkv).tensor(bias).tensor(lse),
        attrs,
      ),
  );

  define<{ qkv: T; temperature: T }, { heads: number }>(
    'ChannelAttention',
    ({ qkv, temperature }, { heads }) =>
      torch.call('ChannelAttention').tensor(qkv).tensor(temperature).number(heads).many(),
  );
  define<Record<'dy' | 'qkv' | 'temperature' | 'p' | 'cosine' | 'norms', T>, { heads: number }>(
    'ChannelAttentionGrad',
    ({ dy, qkv, temperature, p, cosine, norms }, { heads }) => {
      const call = torch.call('ChannelAttentionGrad').tensor(dy).tensor(qkv).tensor(temperature);
      return call.tensor(p).tensor(cosine).tensor(norms).number(heads).many();
    },
  );

  define<{ image: T; flow: T }, WarpAttrs>('Warp', ({ image, flow }, { factorX, factorY }) =>
    torch.call('Warp').tensor(image).tensor(flow).number(factorX).number(factorY).one(),
  );
  define<{ dy: T; image: T; flow: T }, WarpAttrs>('WarpGrad', ({ dy, image, flow }, { factorX, factorY }) =>
    torch.call('WarpGrad').tensor(dy).tensor(image).tensor(flow).number(factorX).number(factorY).many(),
  );
  define<{ first: T; second: T }, { radius: number }>('CostVolume', ({ first, second }, { radius }) =>
    torch.call('CostVolume').tensor(first).tensor(second).number(radius).one(),
  );
  define<{ dy: T; first: T; second: T }, { radius: number }>(
    'CostVolumeGrad',
    ({ dy, first, second }, { radius }) =>
      torch.call('CostVolumeGrad').tensor(dy).tensor(first).tensor(second).number(radius).many(),
  );
  define<Record<'q' | 'k' | 'v' | 'flow', T>, FlowAttentionAttrs>(
    'FlowAttention',
    ({ q, k, v, flow }, { heads, radius }) => {
      const call = torch.call('FlowAttention').tensor(q).tensor(k).tensor(v).tensor(flow);
      return call.number(heads).number(radius).many();
    },
  );
  define<Record<'dy' | 'q' | 'k' | 'v' | 'flow' | 'p', T>, FlowAttentionAttrs>(
    'FlowAttentionGrad',
    ({ dy, q, k, v, flow, p }, { heads, radius }) => {
      const call = torch
        .call('FlowAttentionGrad')
        .tensor(dy)
        .tensor(q)
        .tensor(k)
        .tensor(v)
        .tensor(flow)
        .tensor(p);
      return call.number(heads).number(radius).many();
    },
  );
  define<{ x: T }, { r: number }>('PixelShuffle', ({ x }, { r }) =>
    torch.call('PixelShuffle').tensor(x).number(r).one(),
  );
  define<{ y: T }, { r: number }>('PixelUnshuffle', ({ y }, { r }) =>
    torch.call('PixelUnshuffle').tensor(y).number(r).one(),
  );

  define<Record<string, T>, AdamAttrs>('AdamStep', (inputs, a) => {
    const named = (letter: string): T[] => Array.from({ length: a.count }, (_, i) => inputs[`${letter}${i}`]);
    const written = [inputs.m, inputs.v, ...named('w')];
    for (const weight of written) ownData(torch, weight as tf.Variable);
    const call = torch.call('AdamStep').number(a.count);
    for (const weight of written) call.tensor(weight);
    named('g').forEach((g) => call.tensor(g));
    for (const value of [a.rate, a.beta1, a.beta2, a.epsilon, a.clip, a.correction1, a.correction2])
      call.number(value);
    return call.one();
  });
}

/** Gives a variable that shares its data with another tensor (a clone) data of its own, before it changes in place. */
function ownData(torch: TorchBackend, variable: tf.Variable): void {
  if (torch.refCount(variable.dataId) === 1) return;
  const copy = tf.engine().makeTensorFromTensorInfo(torch.call('Copy').tensor(variable).one());
  variable.assign(copy);
  copy.dispose();
}
