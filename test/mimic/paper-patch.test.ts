import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFlowEstimator } from '../../src/flow/estimators';
import { readImage } from '../../src/image/file';
import { loadColourTerm } from '../../src/losses/colour-terms';
import { mimicConfig } from '../../src/mimic/config';
import { degradationTarget } from '../../src/mimic/step';
import { resize } from '../../src/ops/resize';
import { startTestEngine, TEST_ENGINE } from '../engines';
import { NO_SHARED, SHARED, shared } from '../shared';

/** The authors' own pictures of one training pair, taken out of the figure of their repository. */
describe.skipIf(SHARED === undefined)(
  `The patch of the paper's figure on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    const pictures: Record<'hr' | 'down' | 'lr' | 'warped' | 'mimicked', tf.Tensor4D> = {} as never;
    const names = {
      hr: 'HR_512',
      down: 'HR_down_128',
      lr: 'LR_128',
      warped: 'LR_warped_128',
      mimicked: 'Mim_LR_128',
    };

    beforeAll(async () => {
      await startTestEngine();
      for (const [key, name] of Object.entries(names)) {
        const { width, height, data } = await readImage(
          shared('data', 'images', 'Mim-figure-sample', `${name}.png`),
        );
        pictures[key as keyof typeof names] = tf.tensor4d(data, [1, height, width, 3]);
      }
    });
    afterAll(() => tf.dispose(Object.values(pictures)));

    /** Mean difference in grey levels, over the pixels of the mask. */
    const apart = (a: tf.Tensor4D, b: tf.Tensor4D, mask = tf.onesLike(a)): number =>
      tf.tidy(
        () => (255 * tf.sum(tf.mul(tf.abs(tf.sub(a, b)), mask)).dataSync()[0]) / tf.sum(mask).dataSync()[0],
      );

    it('was shrunk on the released grid: aligned corners, bicubic', () => {
      tf.tidy(() => {
        const shrunk = (alignCorners: boolean): number =>
          apart(resize(pictures.hr, 128, 128, { mode: 'bicubic', alignCorners }), pictures.down);
        expect(shrunk(true)).toBeLessThan(3.5);
        expect(shrunk(false)).toBeGreaterThan(8);
      });
    });

    it('warps its LR to nearly where the authors warped it, with another flow network', () => {
      const raft = loadFlowEstimator('raft-small');
      tf.tidy(() => {
        const { hr, lr, down, warped } = pictures;
        const { target, mask } = degradationTarget(
          { hr, lr },
          down,
          raft,
          mimicConfig({ flow: 'raft-small' }),
        );
        const inside = tf.tile(mask!, [1, 1, 1, 3]);
        // The pair is 0.8 pixels and 19 grey levels apart; the two warped LRs, 5.
        expect(apart(lr, warped, inside)).toBeGreaterThan(9);
        expect(apart(target, warped, inside)).toBeLessThan(5.5);
        expect(apart(target, down, inside)).toBeLessThan(0.9 * apart(lr, down, inside));
      });
      raft.dispose();
    });

    it.each(['cdnet-released', 'cdnet-corrected', 'cielab'])(
      "by %s its mimicked LR has more of the HR's colour than its LR",
      (name) => {
        const term = loadColourTerm(name);
        tf.tidy(() => {
          const { down, lr, mimicked } = pictures;
          const [real, mimic] = [lr, mimicked].map((x) => term.difference(down, x).dataSync()[0]);
          expect(mimic).toBeLessThan(0.85 * real);
        });
        term.dispose?.();
      },
    );
  },
);
