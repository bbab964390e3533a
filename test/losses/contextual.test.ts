import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { COBI_FORMS, contextualLoss, CX_FORMS, type ContextualForm } from '../../src/losses/contextual';
import { bestSimilarity, cosineTerms, squaredTerms } from '../../src/ops/contextual-similarity';
import { permute } from '../../src/nn/parameter';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients, randomTensor } from '../gradient-check';
import { expectClose, Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

describe.skipIf(SHARED === undefined)(
  `The contextual losses of feature maps against their golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    let golden: Golden;
    beforeAll(() => {
      golden = Golden.read('alignment', 'cx-cobi-features.safetensors');
    });

    /** [B, H, W, C] to [B, H W, C]. */
    const vectors = (x: tf.Tensor4D): tf.Tensor3D => tf.reshape(x, [x.shape[0], -1, x.shape[3]]);
    /** The released functions f(first, second): first is the rows. */
    const released = (form: Omit<ContextualForm, 'rows'>): ContextualForm => ({
      ...form,
      rows: 'prediction',
    });
    const cx = (h: number): ContextualForm => released({ ...CX_FORMS.released, h });
    const cobi = (spatial: number): ContextualForm => released({ ...COBI_FORMS.released, h: 0.5, spatial });

    const check = (
      key: string,
      inputs: readonly [first: string, second: string],
      loss: (first: tf.Tensor3D, second: tf.Tensor3D) => tf.Tensor1D,
    ): void => {
      tf.tidy(() => {
        const [first, second] = inputs.map((name) => golden.image(name));
        const perImage = (a: tf.Tensor, b: tf.Tensor): tf.Tensor1D =>
          loss(vectors(a as tf.Tensor4D), vectors(b as tf.Tensor4D));
        const { value, grads } = tf.valueAndGrads((a, b) => tf.mean(perImage(a, b)))([first, second]);
        if (golden.has(`${key}.per_image`))
          expectClose(perImage(first, second).dataSync(), golden.get(`${key}.per_image`).data, 1e-5, key);
        expectClose(value.dataSync(), golden.get(`${key}.loss`).data, 1e-5, key);
        for (const [i, name] of [
          [0, 'grad_first'],
          [1, 'grad_second'],
          [0, 'grad_I'],
        ] as const) {
          if (!golden.has(`${key}.${name}`)) continue;
          const { shape, data } = golden.get(`${key}.${name}`);
          expectClose(grads[i].dataSync(), permute(data, shape, [0, 2, 3, 1]), 1e-4, `${key}.${name}`);
        }
      });
    };

    it.each([
      ['cx.cosine.h0.5', ['x', 'y'], cx(0.5)],
      ['cx.cosine.h0.1', ['x', 'y'], cx(0.1)],
      ['cobi.cosine.h0.5.w0.1', ['x', 'y'], cobi(0.1)],
      ['cobi.cosine.h0.5.w0.4', ['xs', 'ys'], cobi(0.4)],
      ['orig.roimehrez.s0.5', ['xs', 'ys'], { ...CX_FORMS.authors, h: 0.5 }],
      // The function itself takes I for the rows; its caller hands the target in as I.
      [
        'orig.zoomlearnzoom.s0.5.w0.1',
        ['xs', 'ys'],
        { ...COBI_FORMS.authors, rows: 'prediction', h: 0.5, spatial: 0.1 },
      ],
    ] as [string, [string, string], ContextualForm][])('%s', async (key, inputs, form) => {
      await leavesNoTensors(() => check(key, inputs, (a, b) => contextualLoss(a, b, 'cosine', form)));
    });

    it('makes the reference similarities of all pairs', () => {
      tf.tidy(() => {
        const [x, y] = [golden.image('x'), golden.image('y')].map(vectors);
        const mean = tf.mean(y, [0, 1]);
        const unit = (v: tf.Tensor3D): tf.Tensor3D => {
          const c = tf.sub<tf.Tensor3D>(v, mean);
          return tf.div(c, tf.norm(c, 2, 2, true));
        };
        const { data } = golden.get('mid.cx_h0.5');
        const [b, p] = [2, 30];
        const best = (over: 'rows' | 'columns'): ArrayLike<number> =>
          bestSimilarity(cosineTerms(unit(x), unit(y)), {
            h: 0.5,
            epsilon: 1e-5,
            spatial: 0,
            best: over,
          }).dataSync();
        const expected = (stride: [number, number]): number[] =>
          Array.from({ length: b * p }, (_, k) => {
            const at = Math.floor(k / p) * p * p + (k % p) * stride[0];
            return Math.max(...Array.from({ length: p }, (_, i) => data[at + i * stride[1]]));
          });
        expectClose(best('columns'), expected([p, 1]), 1e-5, 'best columns');
        expectClose(best('rows'), expected([1, p]), 1e-5, 'best rows');
      });
    });
  },
);

describe(`Contextual similarity on ${TEST_ENGINE}`, () => {
  const draw = (seed: number, shape: number[]): tf.Tensor3D =>
    randomTensor(new Random(seed), shape) as tf.Tensor3D;

  it.each([
    ['rows', 0, 'cosine'],
    ['columns', 0, 'squared'],
    ['rows', 0.3, 'squared'],
    ['columns', 0.3, 'cosine'],
  ] as const)('has the gradient of its value: best %s, spatial %d, %s', async (best, spatial, distance) => {
    await leavesNoTensors(() => {
      const [a, b] = [draw(1, [2, 6, 4]), draw(2, [2, 6, 4])];
      const terms = distance === 'squared' ? squaredTerms : cosineTerms;
      checkGradients(
        (a, b) =>
          bestSimilarity(terms(a as tf.Tensor3D, tf.div(b, 3)), {
            h: 0.5,
            epsilon: 0.1,
            spatial,
            best,
          }),
        [a, b],
        { epsilon: 1e-3, tolerance: 2e-2 },
      );
      tf.dispose([a, b]);
    });
  });

  it('of squared distances is what its formula says', () => {
    tf.tidy(() => {
      const [p, q, c] = [5, 4, 3];
      const [a, b] = [draw(7, [1, p, c]), draw(8, [1, q, c])];
      const [u, v] = [a, b].map((t) => t.dataSync<'float32'>());
      const [h, epsilon] = [0.4, 0.01];
      const cx = Array.from({ length: p }, (_, i) => {
        const d = Array.from({ length: q }, (_, j) => {
          let sum = 0;
          for (let k = 0; k < c; k++) sum += (u[i * c + k] - v[j * c + k]) ** 2;
          return sum;
        });
        const w = d.map((x) => Math.exp((1 - x / (Math.min(...d) + epsilon)) / h));
        return w.map((x) => x / w.reduce((s, y) => s + y, 0));
      });
      const options = { h, epsilon, spatial: 0 };
      const rows = bestSimilarity(squaredTerms(a, b), { ...options, best: 'rows' });
      const columns = bestSimilarity(squaredTerms(a, b), { ...options, best: 'columns' });
      const bestRows = Array.from({ length: q }, (_, j) => Math.max(...cx.map((row) => row[j])));
      const bestColumns = cx.map((row) => Math.max(...row));
      expectClose(rows.dataSync(), bestRows, 1e-5, 'best rows');
      expectClose(columns.dataSync(), bestColumns, 1e-5, 'best columns');
    });
  });

  it.each(['rows', 'columns'] as const)('is the same in pieces of any size: best %s', async (best) => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const [a, b] = [draw(3, [3, 7, 5]), draw(4, [3, 7, 5])];
        const options = { h: 0.5, epsilon: 1e-3, spatial: 0.1, best };
        const run = (piece: number): Float32Array[] => {
          const { value, grads } = tf.valueAndGrads((a, b) =>
            tf.sum(
              tf.square(bestSimilarity(squaredTerms(a as tf.Tensor3D, b as tf.Tensor3D), options, piece)),
            ),
          )([a, b]);
          return [value, ...grads].map((t) => t.dataSync<'float32'>());
        };
        const together = run(2 ** 20);
        // Two pictures at a time; one; three rows at a time; one row.
        for (const piece of [98, 49, 21, 1]) {
          run(piece).forEach((found, i) =>
            expectClose(found, together[i], 1e-5, `in pieces of ${piece}, ${i}`),
          );
        }
      });
    });
  });

  it('of many vectors stays within some pieces of memory, forward and backward', async () => {
    const n = 1200;
    const [a, b] = [draw(5, [1, n, 3]), draw(6, [1, n, 3])];
    const options = { h: 0.5, epsilon: 1e-3, spatial: 0, best: 'rows' } as const;
    const piece = 20 * n;
    const { peakBytes, newTensors } = await tf.profile(() =>
      tf.tidy(() => {
        tf.grad((a) => tf.sum(bestSimilarity(squaredTerms(a as tf.Tensor3D, b), options, piece)))(
          a,
        ).dataSync();
      }),
    );
    expect(newTensors).toBe(0);
    // The matrix is 60 pieces, and forward and backward make a dozen of its size.
    expect(peakBytes).toBeLessThan(30 * 4 * piece);
    tf.dispose([a, b]);
  });
});
