import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { jpegRoundTrip } from '../../src/image/degrade';
import type { Image } from '../../src/image/image';
import { throughJpeg } from '../../src/ops/jpeg';
import { Random } from '../../src/util/random';
import { startTestEngine, TEST_ENGINE } from '../engines';

/** Smooth colours with edges and some noise, so that all frequencies are there. */
function picture(height: number, width: number, seed: number): Image {
  const random = new Random(seed);
  const data = Float32Array.from({ length: height * width * 3 }, (_, i) => {
    const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
    const edge = (x + 2 * y) % 23 < 9 ? 0.25 : 0;
    return 0.3 + edge + 0.2 * Math.sin(0.3 * x + c) * Math.cos(0.2 * y) + 0.03 * random.normal();
  });
  return { width, height, channels: 3, data };
}

const squaredError = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, v, i) => sum + (255 * (v - b[i])) ** 2, 0) / a.length;

describe(`JPEG on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it('loses what libjpeg loses, at the quality of each picture', async () => {
    const qualities = [30, 75, 90, 98];
    const pictures = qualities.map((_, i) => picture(48, 32, i));
    const saved = await Promise.all(pictures.map((image, i) => jpegRoundTrip(image, qualities[i])));
    const found = tf.tidy(() =>
      throughJpeg(
        tf.stack(pictures.map(({ data }) => tf.tensor3d(data, [48, 32, 3]))) as tf.Tensor4D,
        qualities,
      )
        .unstack()
        .map((one) => one.dataSync()),
    );
    qualities.forEach((_, i) => {
      const lost = squaredError(pictures[i].data, saved[i].data);
      // Both round, at different places.
      expect(squaredError(found[i], saved[i].data)).toBeLessThan(0.15 * lost);
    });
  });
});
