/** One training step (forward, backward, clip, Adam): SeeMoRe-T, and the mimicking module; batch 8, LR 32x32. */
import * as tf from '@tensorflow/tfjs-core';
import { MimicModule } from '../../src/mimic/module';
import { SeeMoRe } from '../../src/networks/seemore';
import type { Module } from '../../src/nn/module';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { Adam } from '../../src/train/adam';
import { serve, type Run } from './serve';

function training(network: Module, forward: () => tf.Tensor, target: tf.Tensor): Run {
  network.initialise(1).train();
  const parameters = network.trainable();
  const adam = new Adam(parameters, { betas: [0.9, 0.9], epsilon: 1e-8, clip: 0.01 });
  const variables = parameters.map(([, p]) => p.variable);
  return async () => {
    const { value, grads } = tf.variableGrads(() => meanAbsoluteError(forward(), target), variables);
    await adam.step(
      variables.map((v) => grads[v.name]),
      1e-3,
    );
    await value.data();
    tf.dispose([value, grads]);
  };
}

void serve({
  seemore: () => {
    const network = new SeeMoRe();
    const lr = tf.randomUniform<tf.Rank.R4>([8, 32, 32, 3]);
    return training(network, () => network.forward(lr), tf.randomUniform([8, 128, 128, 3]));
  },
  mimic: () => {
    const network = new MimicModule();
    const [hr, lr] = [
      tf.randomUniform<tf.Rank.R4>([8, 32, 32, 3]),
      tf.randomUniform<tf.Rank.R4>([8, 32, 32, 3]),
    ];
    return training(network, () => network.forward(hr, lr), tf.randomUniform([8, 32, 32, 3]));
  },
});
