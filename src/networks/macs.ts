import * as tf from '@tensorflow/tfjs-core';
import { countMacs } from '../ops/mac-count';
import type { SrNetwork } from './sr-network';

/**
 * Multiply-accumulates of one image of `height` x `width` LR pixels: convolutions, linear layers and attention products,
 * by running the network once. SwinIR and DAT count what they pad; SeeMoRe counts all experts, as in training.
 * @param network with its weights, whatever they are
 */
export function networkMacs(network: SrNetwork, height: number, width: number): number {
  return countMacs(() => {
    tf.tidy(() => {
      network.forward(tf.zeros<tf.Rank.R4>([1, height, width, 3]));
    });
  });
}
