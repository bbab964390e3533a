import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { costVolume } from '../../src/ops/cost-volume';
import { permute } from '../../src/nn/parameter';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden } from '../golden';
import { checkGradients, randomTensor } from '../gradient-check';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

describe.skipIf(SHARED === undefined)(
  `Cost volume against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    const golden =
      SHARED === undefined ? undefined! : Golden.read('alignment', 'pwc-correlation.safetensors');
    const expectGolden = (found: tf.Tensor, key: string): void => {
      const { shape, data } = golden.get(key);
      expectClose(found.dataSync(), permute(data, shape, [0, 2, 3, 1]), 1e-5, key);
    };

    it("equals PWC-Net's correlation in two sizes", async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          for (const size of ['a', 'b']) {
            const volume = costVolume(golden.image(`${size}.first`), golden.image(`${size}.second`), 4);
            expectGolden(volume, `${size}.volume`);
          }
        });
      });
    });

    it('has its gradients', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const [dFirst, dSecond] = tf.grads((first, second) =>
            costVolume(first as tf.Tensor4D, second as tf.Tensor4D, 4),
          )([golden.image('a.first'), golden.image('a.second')], golden.image('a.cotangent'));
          expectGolden(dFirst, 'a.grad_first');
          expectGolden(dSecond, 'a.grad_second');
        });
      });
    });
  },
);

describe(`Cost volume on ${TEST_ENGINE}`, () => {
  it('has the gradient of finite differences at another radius', () => {
    tf.tidy(() => {
      const random = new Random(3, 'cost volume');
      const map = (): tf.Tensor4D =>
        tf.tensor4d(
          Float32Array.from({ length: 2 * 3 * 4 * 2 }, () => random.uniform(-1, 1)),
          [2, 3, 4, 2],
        );
      checkGradients((a, b) => costVolume(a as tf.Tensor4D, b as tf.Tensor4D, 2), [map(), map()]);
    });
  });

  it.each([
    { sizes: [2, 3, 5, 4], perm: [0, 3, 1, 2] },
    { sizes: [2, 1, 3, 1], perm: [0, 2, 1, 3] },
  ])('does not ask how the second map lies in memory: $sizes, its axes as $perm', ({ sizes, perm }) => {
    tf.tidy(() => {
      const random = new Random(4, 'cost volume');
      const turned = tf.transpose(randomTensor(random, sizes), perm) as tf.Tensor4D;
      const dense = tf.tensor4d(turned.dataSync(), turned.shape);
      const first = randomTensor(random, turned.shape);
      const dy = randomTensor(random, [...turned.shape.slice(0, 3), 9]) as tf.Tensor4D;
      const [found, expected] = [turned, dense].map((second) => {
        const { value, grads } = tf.valueAndGrads((a, b) =>
          costVolume(a as tf.Tensor4D, b as tf.Tensor4D, 1),
        )([first, second], dy);
        return [value, ...grads].map((t) => [...t.dataSync()]);
      });
      expect(found).toEqual(expected);
    });
  });
});
