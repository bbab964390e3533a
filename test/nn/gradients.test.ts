import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { chain } from '../../src/nn/chain';
import { variableGradients } from '../../src/nn/gradients';
import { residual } from '../../src/ops/residual';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

/** An op whose gradient hands on the very tensor that it gets. */
const passOn = tf.customGrad((x) => ({
  value: tf.clone(x as tf.Tensor),
  gradFunc: (dy: tf.Tensor) => dy,
}));

/** An op that keeps something for its gradient, which cannot be computed. */
const failing = tf.customGrad((x, save) => {
  (save as tf.GradSaveFunc)([tf.exp(x as tf.Tensor)]);
  return {
    value: tf.clone(x as tf.Tensor),
    gradFunc: () => {
      throw new Error('no gradient');
    },
  };
});

describe(`variableGradients on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it('gives what TensorFlow.js gives', async () => {
    const rows = [
      [1, -2, 3, 0.5],
      [4, 0, -1, 2],
      [1, 1, 1, 1],
    ];
    const [a, b, unused] = rows.map((values) => tf.variable(tf.tensor2d(values, [2, 2])));
    // A value used twice, a constant branch, an op with two results.
    const loss = (): tf.Scalar => {
      const shared = tf.mul(a, b);
      const [left, right] = tf.split(tf.concat([shared, passOn(shared)], 1), 2, 1);
      return tf.sum(tf.add(tf.square(left), tf.mul(tf.add(right, right), tf.relu(tf.scalar(2)))));
    };
    await leavesNoTensors(() => {
      const own = variableGradients(loss, [a, b, unused]);
      const theirs = tf.variableGrads(loss, [a, b]);
      expect(own.value.dataSync()).toEqual(theirs.value.dataSync());
      expect(Object.keys(own.grads)).toEqual([a.name, b.name]);
      for (const { name } of [a, b]) {
        expect(own.grads[name].dataSync(), name).toEqual(theirs.grads[name].dataSync());
      }
      tf.dispose([own.value, own.grads, theirs.value, theirs.grads] as tf.TensorContainer);
    });
    tf.dispose([a, b, unused]);
  });

  it('frees on the way: a deep chain takes the memory of a few maps, not of one a layer', async () => {
    const weight = tf.variable(tf.scalar(1.01));
    const x = tf.ones<tf.Rank.R4>([1, 64, 64, 4]);
    let most = 0; // tensors with data of their own
    const watch = tf.customGrad((t) => ({
      value: tf.clone(t as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => {
        most = Math.max(most, tf.memory().numDataBuffers);
        return tf.clone(dy);
      },
    }));
    const layer = { forward: (t: tf.Tensor4D) => watch(residual(t, tf.mul(weight, x))) as tf.Tensor4D };
    await leavesNoTensors(() => {
      const before = tf.memory().numDataBuffers;
      const layers = Array.from({ length: 50 }, () => layer);
      const { value, grads } = variableGradients(() => tf.sum(chain(x, layers)), [weight]);
      expect(grads[weight.name].dataSync()[0]).toBeCloseTo(50 * x.size, 0);
      expect(most).toBeGreaterThan(before);
      expect(most - before).toBeLessThan(8);
      tf.dispose([value, grads] as tf.TensorContainer);
    });
    tf.dispose([weight, x]);
  });

  it('leaves nothing behind where the loss throws or an op has no gradient', async () => {
    const v = tf.variable(tf.tensor1d([1, 2]));
    const broken = (): tf.Scalar => {
      tf.square(tf.exp(v));
      throw new Error('no loss');
    };
    await leavesNoTensors(() => {
      expect(() => variableGradients(broken, [v])).toThrow('no loss');
      expect(() => variableGradients(() => tf.sum(tf.topk(v).values), [v])).toThrow('TopK has no gradient');
      expect(() => variableGradients(() => tf.sum(failing(v)), [v])).toThrow('no gradient');
      const { value, grads } = variableGradients(() => tf.sum(tf.square(v)), [v]);
      expect([...grads[v.name].dataSync()]).toEqual([2, 4]);
      tf.dispose([value, grads] as tf.TensorContainer);
    });
    v.dispose();
  });
});
