/**
 * node -r ./bench/register.cjs bench/profile.ts [--network NAME] [--batch N] [--rounds N] [--shapes]: where a training step
 * (L1, LR 32x32) spends its time, kernel by kernel, without the gradient's own bookkeeping.
 *
 * A kernel's time is its own, less that of kernels which it calls; of several rounds the fastest counts, for each kernel by
 * itself. The engine is the one that MIMICSR_ENGINE names. For engines that compute while JavaScript waits: not a GPU.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../src/engine/engines';
import { createNetwork } from '../src/networks/networks';
import { variableGradients } from '../src/nn/gradients';
import { meanAbsoluteError } from '../src/ops/mean-absolute-error';

interface Spent {
  calls: number;
  ms: number;
}

const { values } = parseArgs({
  options: {
    network: { type: 'string', default: 'seemore' },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '10' },
    shapes: { type: 'boolean', default: false },
  },
});

let spent = new Map<string, Spent>();

/** Puts a clock around every kernel of the running engine. */
function watchKernels(): void {
  const inner: number[] = []; // time of the kernels inside those that are running
  for (const config of tf.getKernelsForBackend(tf.getBackend())) {
    const { kernelName, kernelFunc } = config;
    config.kernelFunc = (call) => {
      inner.push(0);
      const start = performance.now();
      const result = kernelFunc(call);
      const ms = performance.now() - start;
      const own = ms - inner.pop()!;
      if (inner.length > 0) inner[inner.length - 1] += ms;
      const shapes = values.shapes
        ? ` ${JSON.stringify(Object.values(call.inputs).map((t) => t?.shape))}`
        : '';
      const entry = spent.get(kernelName + shapes) ?? { calls: 0, ms: 0 };
      spent.set(kernelName + shapes, { calls: entry.calls + 1, ms: entry.ms + own });
      return result;
    };
  }
}

async function main(): Promise<void> {
  const { name, detail } = await startEngine();
  const network = createNetwork(values.network).initialise(1);
  const [batch, rounds] = [Number(values.batch), Number(values.rounds)];
  const lr = tf.randomUniform<tf.Rank.R4>([batch, 32, 32, 3], 0, 1, 'float32', 1);
  const hr = tf.randomUniform<tf.Rank.R4>([batch, 128, 128, 3], 0, 1, 'float32', 2);
  const weights = network.trainable().map(([, p]) => p.variable);
  const step = (): number => {
    const start = performance.now();
    const { value, grads } = variableGradients(() => meanAbsoluteError(network.forward(lr), hr), weights);
    value.dataSync();
    tf.dispose([value, grads]);
    return performance.now() - start;
  };
  step();
  step();
  const plain = Math.min(...Array.from({ length: rounds }, step));
  watchKernels();
  const fastest = new Map<string, Spent>();
  for (let i = 0; i < rounds; i++) {
    spent = new Map();
    step();
    for (const [kernel, now] of spent) {
      if (now.ms < (fastest.get(kernel)?.ms ?? Infinity)) fastest.set(kernel, now);
    }
  }
  const lines = [...fastest].sort(([, a], [, b]) => b.ms - a.ms);
  const kernels = lines.reduce((sum, [, { ms }]) => sum + ms, 0);
  const print = (line: string): boolean => process.stdout.write(`${line}\n`);
  print(
    `${values.network}, batch ${batch}, on ${name} (${detail}): ${plain.toFixed(0)} ms a step, fastest of ${rounds}`,
  );
  for (const [kernel, { calls, ms }] of lines) {
    print(`${ms.toFixed(2).padStart(10)} ms ${String(calls).padStart(6)} x ${kernel}`);
  }
  print(`${kernels.toFixed(2).padStart(10)} ms in all kernels`);
}

void main();
