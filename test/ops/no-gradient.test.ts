import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { conv2d } from '../../src/ops/conv';
import { hasFused } from '../../src/ops/fused';
import { noGradient, stopGradient } from '../../src/ops/no-gradient';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

beforeAll(startTestEngine);

describe(`Values outside differentiation on ${TEST_ENGINE}`, () => {
  it('stopGradient keeps the value and cuts the gradient', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        // d(x * stop(x)) = stop(x)
        const { value, grad } = tf.valueAndGrad((x) => tf.sum(tf.mul(x, stopGradient(x))))(
          tf.tensor1d([2, 3]),
        );
        expect(value.dataSync()[0]).toBe(13);
        expect([...grad.dataSync()]).toEqual([2, 3]);
      });
    });
  });

  it('a variable behind stopGradient gets no gradient at all', () => {
    const [a, b] = [tf.variable(tf.scalar(2)), tf.variable(tf.scalar(5))];
    const { value, grads } = tf.variableGrads(() => tf.mul(stopGradient(a), b), [a, b]);
    expect(grads[b.name].dataSync()[0]).toBe(2);
    expect(grads[a.name]).toBeUndefined();
    tf.dispose([value, grads, a, b]);
  });

  it('noGradient frees its intermediates while a gradient is being recorded', () => {
    tf.tidy(() => {
      let during = 0;
      tf.grad((x) => {
        const before = tf.memory().numTensors;
        const constant = noGradient(() => tf.square(tf.square(tf.square(x))));
        during = tf.memory().numTensors - before;
        return tf.mul(x, constant);
      })(tf.scalar(2));
      expect(during).toBe(1);
    });
  });

  it('a convolution with frozen weights computes the same input gradient and no filter gradient', async () => {
    const make = (trainable: boolean): tf.Variable =>
      tf.variable(tf.tensor4d([3, -2], [1, 2, 1, 1]), trainable);
    const [frozen, trained] = [make(false), make(true)];
    const x = tf.tensor4d([1, 2, 4], [1, 1, 3, 1]);
    const gradient = async (filter: tf.Variable): Promise<{ dx: number[]; kernels: string[] }> => {
      let dx: number[] = [];
      const { kernelNames } = await tf.profile(() => {
        const through = (x: tf.Tensor): tf.Tensor =>
          conv2d(x as tf.Tensor4D, filter as unknown as tf.Tensor4D, undefined);
        dx = [...tf.grad(through)(x).dataSync()];
      });
      return { dx, kernels: kernelNames };
    };
    const [withFrozen, withTrained] = [await gradient(frozen), await gradient(trained)];
    expect(withFrozen.dx).toEqual([3, 1, -2]);
    expect(withTrained.dx).toEqual([3, 1, -2]);
    const filterGradient = hasFused('ConvGrad') ? 'ConvGrad' : 'Conv2DBackpropFilter';
    expect(withTrained.kernels).toContain(filterGradient);
    expect(withFrozen.kernels).not.toContain(filterGradient);
    tf.dispose([frozen, trained, x]);
  });
});
