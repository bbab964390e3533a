import * as tf from '@tensorflow/tfjs-core';
import { batchNorm, batchNormTraining } from '../ops/batch-norm';
import { constant } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';

/** PyTorch's defaults. */
const EPSILON = 1e-5;
const MOMENTUM = 0.1;

/**
 * torch.nn.BatchNorm2d on [B, H, W, C]. Keys `weight`, `bias`, and the buffers `running_mean`, `running_var`. In training
 * every forward pass moves the running statistics by a tenth towards the batch's (the variance unbiased, although the
 * pass itself divides by the biased one). The step counter `num_batches_tracked` is not kept: nothing reads it.
 */
export class BatchNorm extends Module {
  private readonly weight: Parameter;
  private readonly bias: Parameter;
  private readonly runningMean: Parameter;
  private readonly runningVariance: Parameter;

  constructor(channels: number) {
    super();
    this.weight = this.parameter('weight', [channels], constant(1));
    this.bias = this.parameter('bias', [channels], constant(0));
    this.runningMean = this.parameter('running_mean', [channels], constant(0), { trainable: false });
    this.runningVariance = this.parameter('running_var', [channels], constant(1), { trainable: false });
  }

  /** @throws Error in training if a channel has a single value in the batch, which has no variance */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    const weight = this.weight.value<tf.Tensor1D>();
    const bias = this.bias.value<tf.Tensor1D>();
    if (!this.training) {
      return batchNorm(x, weight, bias, this.runningMean.value(), this.runningVariance.value(), EPSILON);
    }
    const count = x.size / x.shape[3];
    if (count < 2) {
      throw new Error(
        `batch norm in training needs two values a channel, got an input of [${x.shape.join(', ')}]`,
      );
    }
    return batchNormTraining(x, weight, bias, EPSILON, (mean, variance) => {
      moveTowards(this.runningMean, mean);
      moveTowards(this.runningVariance, tf.mul(variance, count / (count - 1)));
    });
  }
}

function moveTowards(running: Parameter, batch: tf.Tensor1D): void {
  tf.tidy(() => {
    const before = running.value<tf.Tensor1D>();
    // With a value that is not finite they would never be finite again, though the update of that batch is skipped.
    const moved = tf.add(tf.mul(before, 1 - MOMENTUM), tf.mul(batch, MOMENTUM));
    running.variable.assign(tf.where(tf.isFinite(batch), moved, before));
  });
}
