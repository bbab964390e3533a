/** A training step as the trainer does it: forward, L1, backward, clip, Adam. */
import * as tf from '@tensorflow/tfjs-core';
import { variableGradients } from '../../src/nn/gradients';
import type { Module } from '../../src/nn/module';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { Adam } from '../../src/train/adam';
import { Random } from '../../src/util/random';
import type { Run } from './serve';

export function training(network: Module, forward: () => tf.Tensor, target: tf.Tensor): Run {
  network.initialise(1).train(true, new Random(1));
  const parameters = network.trainable();
  const adam = new Adam(parameters, { betas: [0.9, 0.9], epsilon: 1e-8, clip: 0.01 });
  const variables = parameters.map(([, p]) => p.variable);
  return async () => {
    const { value, grads } = variableGradients(() => meanAbsoluteError(forward(), target), variables);
    await adam.step(
      variables.map((v) => grads[v.name]),
      1e-3,
    );
    await value.data();
    tf.dispose([value, grads]);
  };
}
