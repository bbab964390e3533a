/** One training step (forward, backward, clip, Adam): SeeMoRe-T, and the mimicking module; batch 8, LR 32x32. */
import * as tf from '@tensorflow/tfjs-core';
import { MimicModule } from '../../src/mimic/module';
import { SeeMoRe } from '../../src/networks/seemore';
import { serve } from './serve';
import { training } from './training';

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
