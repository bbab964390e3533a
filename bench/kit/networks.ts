/**
 * One training step (forward, backward, clip, Adam; LR 32x32, batch 8, RRDBNet 2), and the upscaling of a 320x180 picture, of
 * each SR network. Case: NETWORK-train or NETWORK-upscale.
 */
import * as tf from '@tensorflow/tfjs-core';
import { createNetwork, NETWORK_NAMES, type NetworkName } from '../../src/networks/networks';
import { serve, type Run } from './serve';
import { training } from './training';

function train(name: NetworkName): Run {
  const network = createNetwork(name);
  const batch = name === 'rrdbnet' ? 2 : 8;
  const lr = tf.randomUniform<tf.Rank.R4>([batch, 32, 32, 3]);
  return training(network, () => network.forward(lr), tf.randomUniform([batch, 128, 128, 3]));
}

function upscale(name: NetworkName): Run {
  const network = createNetwork(name).initialise(1).train(false);
  const lr = tf.randomUniform<tf.Rank.R4>([1, 180, 320, 3]);
  return async () => {
    const sr = tf.tidy(() => network.forward(lr));
    await sr.data();
    sr.dispose();
  };
}

void serve(
  Object.fromEntries(
    NETWORK_NAMES.flatMap((name) => [
      [`${name}-train`, () => train(name)],
      [`${name}-upscale`, () => upscale(name)],
    ]),
  ),
);
