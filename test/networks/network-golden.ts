/** The claims that every network's golden file supports: outputs, what modules return in between, loss and gradients. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Module } from '../../src/nn/module';
import { permute } from '../../src/nn/parameter';
import type { SrNetwork } from '../../src/networks/sr-network';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import {
  expectClose,
  expectGradients,
  expectImage,
  Golden,
  lossAndGradients,
  type GoldenArray,
} from '../golden';
import { NO_SHARED, SHARED } from '../shared';

export interface NetworkGolden<N extends SrNetwork> {
  /** Without `.safetensors`. */
  readonly file: string;
  /** The network with stochastic depth off, as the goldens are made. */
  readonly create: () => N;
  /** Modules whose output the file holds before a LeakyReLU that ours includes: key and slope. */
  readonly beforeLeaky?: Readonly<Record<string, number>>;
  /** Brings an output that the file holds in another order into ours, [B, H, W, C]; undefined for all others. */
  readonly arrange?: (key: string, golden: GoldenArray, shape: readonly number[]) => Float32Array | undefined;
  /** Factor of the gradients' tolerance, where the file needs one. */
  readonly slack?: number;
  /** How many modules' outputs the test must have compared. */
  readonly modules: number;
}

export function describeNetworkGolden<N extends SrNetwork>(
  { file, create, beforeLeaky = {}, arrange, slack, modules }: NetworkGolden<N>,
  more?: (get: () => { net: N; golden: Golden }) => void,
): void {
  describe.skipIf(SHARED === undefined)(`${file} on ${TEST_ENGINE} (${NO_SHARED})`, () => {
    let golden: Golden;
    let net: N;

    beforeAll(async () => {
      await startTestEngine();
      golden = Golden.read('networks', `${file}.safetensors`);
      net = create().loadStateDict(golden.under('param'), file);
    });
    afterAll(() => net?.dispose());

    it('upscales the image, with the reference output of every module in between', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const { outputs, release } = capture(net);
          expectImage(net.forward(golden.image('in/x')), golden.get('out/y'), 'x');
          release();
          let compared = 0;
          for (const [key, expected] of golden.under('mid')) {
            const found = outputs.get(key);
            if (found === undefined) continue;
            const values = arrange?.(key, expected, found.shape) ?? channelsLast(expected, beforeLeaky[key]);
            expectClose(found.dataSync(), values, 2e-5, key);
            compared++;
          }
          expect(compared, 'modules compared').toBe(modules);
          outputs.forEach((output) => output.dispose());
        });
      });
    });

    it('upscales an image of odd size', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          expectImage(net.forward(golden.image('in/x_odd')), golden.get('out/y_odd'), 'x_odd');
        });
      });
    });

    it('has the reference loss and gradient of every parameter', async () => {
      await leavesNoTensors(async () => {
        const x = golden.image('in/x');
        const target = golden.image('target');
        const { loss, gradients } = await lossAndGradients(net, () =>
          meanAbsoluteError(net.forward(x), target),
        );
        expect(Math.abs(loss - golden.scalar('loss'))).toBeLessThanOrEqual(1e-6);
        expectGradients(gradients, golden.under('grad'), slack);
        tf.dispose([x, target]);
      });
    });

    more?.(() => ({ net, golden }));
  });
}

/** Keeps what every module below `root` returns from its next forward passes, until released. */
function capture(root: Module): { outputs: Map<string, tf.Tensor>; release: () => void } {
  const outputs = new Map<string, tf.Tensor>();
  const wrapped: object[] = [];
  for (const [key, module] of root.namedModules()) {
    const own = module as unknown as { forward?: (...args: unknown[]) => tf.Tensor };
    const { forward } = own;
    if (forward === undefined) continue;
    own.forward = (...args) => {
      const y = forward.apply(own, args);
      tf.dispose(outputs.get(key) ?? []); // of an earlier pass
      outputs.set(key, tf.keep(tf.clone(y))); // networks free what they made on the way
      return y;
    };
    wrapped.push(own);
  }
  return { outputs, release: () => wrapped.forEach((m) => delete (m as { forward?: unknown }).forward) };
}

/** The values of an NCHW map with the channels last; tokens and tables are in that order already. */
function channelsLast({ shape, data }: GoldenArray, leaky = 1): Float32Array {
  const values = shape.length === 4 ? permute(data, shape, [0, 2, 3, 1]) : data;
  return values.map((v) => (v > 0 ? v : v * leaky));
}
