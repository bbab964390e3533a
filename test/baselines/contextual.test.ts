import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { cobiSchema, createCobiProcess, type CobiConfig } from '../../src/baselines/cobi';
import { contextualProcess } from '../../src/baselines/contextual';
import { createCxProcess, cxSchema, type CxConfig } from '../../src/baselines/cx';
import { COBI_FORMS, CX_FORMS } from '../../src/losses/contextual';
import {
  quarters,
  samplePlaces,
  slidingPatches,
  tiledPatches,
  type FeatureNetwork,
} from '../../src/losses/features';
import type { TrainingProcess } from '../../src/losses/training-process';
import type { SrNetwork } from '../../src/networks/sr-network';
import type { Vgg19 } from '../../src/networks/vgg19';
import { permute } from '../../src/nn/parameter';
import { processConfig } from '../../src/train/config';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients } from '../gradient-check';
import { expectClose, Golden } from '../golden';
import { ruleVgg19 } from '../networks/vgg19-rule';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

const cx = (settings: object): CxConfig => cxSchema.parse(settings);
const cobi = (settings: object): CobiConfig => cobiSchema.parse(settings);

/** An SR network that always puts out `picture`. */
function alwaysGives(picture: tf.Tensor4D): SrNetwork {
  return { forward: () => picture } as unknown as SrNetwork;
}

/** The weighted sum of a process's terms for an SR output and an HR picture. */
function total(process: TrainingProcess, output: tf.Tensor4D, hr: tf.Tensor4D, step = 1): tf.Scalar {
  const terms = process.losses(alwaysGives(output), { lr: tf.zeros([1, 1, 1, 3]), hr }, step);
  return tf.addN(Object.values(terms).map(({ value, weight }) => tf.mul<tf.Scalar>(value, weight)));
}

describe.skipIf(SHARED === undefined)(
  `The released CX and CoBi of pictures against their golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    const layers = ['conv3_2', 'conv4_2', 'conv4_4'];
    let network: Vgg19;
    let golden: Golden;
    beforeAll(() => {
      golden = Golden.read('alignment', 'cx-cobi-vgg.safetensors');
      network = ruleVgg19(layers);
    });
    afterAll(() => network?.dispose());
    /** The network as if made for some of the layers. */
    const only = (wanted: string[]): FeatureNetwork => ({
      name: 'vgg19',
      features: (x) => {
        const maps = network.features(x);
        return wanted.map((layer) => maps[layers.indexOf(layer)]);
      },
      dispose: () => {},
    });

    it.each([
      ['cx.conv4_4.h0.5', 'cx', {}],
      ['cx.conv3_2+conv4_2.h0.5', 'cx', { layers: { conv3_2: 1, conv4_2: 1 } }],
      ['cobi.conv4_4.h0.5', 'cobi', {}],
      ['cobi.conv4_4.rgb8', 'cobi', { patches: { side: 8, weight: 0.1 } }],
    ] as const)('%s', async (key, name, settings) => {
      await leavesNoTensors(() => {
        const config = name === 'cx' ? cx(settings) : cobi(settings);
        const form = name === 'cx' ? CX_FORMS.released : { ...COBI_FORMS.released, spatial: 0.1 };
        const features = only(Object.keys(config.layers));
        const process = contextualProcess(name, config, { ...form, h: config.h }, false, features, 1);
        tf.tidy(() => {
          const target = golden.image('target');
          const { value, grad } = tf.valueAndGrad((x) => total(process, x as tf.Tensor4D, target))(
            golden.image('pred'),
          );
          expectClose(value.dataSync(), golden.get(`${key}.loss`).data, 1e-4, key);
          const { shape, data } = golden.get(`${key}.grad_pred`);
          expectClose(grad.dataSync(), permute(data, shape, [0, 2, 3, 1]), 2e-3, `${key}.grad_pred`);
        });
      });
    });
  },
);

describe(`What pictures are compared by, on ${TEST_ENGINE}`, () => {
  /** [1, H, W, 1], every pixel its number. */
  const numbered = (h: number, w: number): tf.Tensor4D => tf.reshape(tf.range(0, h * w), [1, h, w, 1]);

  it('tiled patches touch, and leave out what does not fill one', () => {
    tf.tidy(() => {
      const patches = tiledPatches(numbered(5, 7), 2);
      expect(patches.shape).toEqual([1, 6, 4]);
      expect([...patches.dataSync()].slice(0, 8)).toEqual([0, 1, 7, 8, 2, 3, 9, 10]);
    });
  });

  it('sliding patches surround their places, black beyond the edges', () => {
    tf.tidy(() => {
      const all = slidingPatches(numbered(3, 4), 3);
      expect(all.shape).toEqual([1, 12, 9]);
      const some = slidingPatches(numbered(3, 4), 3, Uint32Array.of(5, 0));
      expect([...some.dataSync()]).toEqual([0, 1, 2, 4, 5, 6, 8, 9, 10, 0, 0, 0, 0, 0, 1, 0, 4, 5]);
    });
  });

  it('sliding and tiled patches pass their gradient on', () => {
    const image = tf.randomUniform<tf.Rank.R4>([2, 5, 6, 3], 0, 1, 'float32', 1);
    const places = Uint32Array.of(3, 17, 29);
    checkGradients((x) => tf.square(slidingPatches(x as tf.Tensor4D, 3, places)), [image]);
    checkGradients((x) => tf.square(tiledPatches(x as tf.Tensor4D, 2)), [image]);
    image.dispose();
  });

  it("the gradient of a camera patch's sliding patches counts how many hold each pixel", () => {
    // As many patches and pixels as CoBi compares: a matrix of the two would not fit into wasm's memory.
    const [side, h, w] = [15, 128, 128];
    const places = Uint32Array.from({ length: 400 }, (_, i) => (i * 7919) % (h * w));
    const count = new Float32Array(h * w);
    for (const place of places) {
      const [y, x] = [Math.floor(place / w) - 7, (place % w) - 7];
      for (let i = Math.max(0, y); i < Math.min(h, y + side); i++) {
        for (let j = Math.max(0, x); j < Math.min(w, x + side); j++) count[i * w + j]++;
      }
    }
    tf.tidy(() => {
      const gradient = tf.grad((x) => tf.sum(slidingPatches(x as tf.Tensor4D, side, places)));
      expect(gradient(tf.zeros([1, h, w, 1])).dataSync()).toEqual(count);
    });
  });

  it('quarters of odd maps share their middle line', () => {
    tf.tidy(() => {
      expect([...quarters(numbered(4, 4)).dataSync()]).toEqual([
        ...[0, 1, 4, 5],
        ...[2, 3, 6, 7],
        ...[8, 9, 12, 13],
        ...[10, 11, 14, 15],
      ]);
      expect([...quarters(numbered(3, 3)).dataSync()].slice(-4)).toEqual([4, 5, 7, 8]);
    });
  });

  it('places are drawn without replacement, only where there are too many', () => {
    expect(samplePlaces(10, 10, new Random(1))).toBeUndefined();
    expect(samplePlaces(10, null, new Random(1))).toBeUndefined();
    const drawn = samplePlaces(1000, 900, new Random(1))!;
    expect(new Set(drawn).size).toBe(900);
    expect(Math.max(...drawn)).toBeGreaterThan(950);
  });
});

describe(`CX and CoBi without a file on ${TEST_ENGINE}`, () => {
  const random = { features: 'random-orthogonal' };
  const small = { layers: { relu1_2: 1, relu2_2: 0.5 } };
  const processes: [string, () => TrainingProcess][] = [
    ['cx', () => createCxProcess(cx(random), 1)],
    [
      'cx of the authors',
      () => createCxProcess(cx({ ...random, form: 'authors', ...small, samples: 50 }), 1),
    ],
    ['cobi', () => createCobiProcess(cobi({ ...random, patches: { side: 4, weight: 0.1 } }), 1)],
    ['cobi of the authors', () => createCobiProcess(cobi({ ...random, form: 'authors', samples: 50 }), 1)],
    [
      'cobi of patches alone',
      () => createCobiProcess(cobi({ features: 'none', form: 'authors', samples: 50 }), 1),
    ],
  ];
  let hr: tf.Tensor4D;
  let other: tf.Tensor4D;
  beforeAll(() => {
    [hr, other] = [1, 2].map((seed) => tf.randomUniform<tf.Rank.R4>([2, 32, 32, 3], 0, 1, 'float32', seed));
  });
  afterAll(() => tf.dispose([hr, other]));

  it.each(processes)(
    '%s: least for equal pictures, falls along its gradient, and leaves no tensor',
    async (_, make) => {
      await leavesNoTensors(() => {
        const process = make();
        tf.tidy(() => {
          const loss = (x: tf.Tensor): tf.Scalar => total(process, x as tf.Tensor4D, hr);
          const { value, grad } = tf.valueAndGrad(loss)(other);
          const [far] = value.dataSync();
          expect(loss(hr).dataSync()[0]).toBeLessThan(far);
          expect(grad.dataSync<'float32'>().every(Number.isFinite)).toBe(true);
          const step = tf.mul(grad, tf.div(0.5, tf.norm(grad)));
          expect(loss(tf.sub(other, step)).dataSync()[0]).toBeLessThan(far);
        });
        process.dispose?.();
      });
    },
  );

  it('draws other places in every iteration, and the same again for the same', () => {
    const process = createCobiProcess(cobi({ features: 'none', form: 'authors', samples: 50 }), 1);
    tf.tidy(() => {
      const at = (step: number): number => total(process, other, hr, step).dataSync()[0];
      expect(at(2)).toBe(at(2));
      expect(at(3)).not.toBe(at(2));
    });
  });

  it('does not mind where things are, but CoBi does', () => {
    const layers = { layers: { relu1_1: 1 } };
    const [a, b] = [
      createCxProcess(cx({ ...random, ...layers }), 1),
      createCobiProcess(cobi({ ...random, ...layers, spatial: 0.5 }), 1),
    ];
    tf.tidy(() => {
      // The picture against itself, half a picture further, as if it were a torus.
      const moved = tf.concat([tf.slice(hr, [0, 16, 0, 0]), tf.slice(hr, [0, 0, 0, 0], [-1, 16, -1, -1])], 1);
      const [far, unlike] = [moved, other].map((x) => total(a, x, hr).dataSync()[0]);
      expect(far).toBeLessThan(unlike / 3);
      const [same, displaced] = [hr, moved].map((x) => total(b, x, hr).dataSync()[0]);
      expect(displaced).toBeGreaterThan(same + 0.2);
    });
    a.dispose?.();
    b.dispose?.();
  });

  it('says which patches it can work on', () => {
    const least = (process: TrainingProcess): number | undefined => {
      process.dispose?.();
      return process.minimumPatch;
    };
    expect(least(createCxProcess(cx(random), 1))).toBe(4);
    expect(least(createCobiProcess(cobi({ ...random, form: 'authors' }), 1))).toBe(4);
    expect(least(createCobiProcess(cobi({ features: 'none', patches: { side: 10, weight: 1 } }), 1))).toBe(5);
  });

  it('says what it brings beside the SR network', () => {
    const process = createCxProcess(cx({ ...random, layers: { conv1_2: 1 } }), 1);
    expect(process.trained).toEqual({});
    expect(process.frozen['random-orthogonal'].valueCount()).toBe(16 * 27 + 16 + 16 * 144 + 16);
    process.dispose?.();
  });

  it('refuses features that its record does not name', () => {
    expect(() =>
      contextualProcess('cx', cx({}), { ...CX_FORMS.released, h: 0.5 }, false, undefined, 1),
    ).toThrow(/names features 'vgg19', got none/);
  });
});

describe('A configuration of CX and CoBi', () => {
  it('is the official code where nothing is said', () => {
    const shared = { form: 'released', features: 'vgg19', layers: { conv4_4: 1 }, h: 0.5 };
    const silent = { patches: null, samples: null };
    expect(processConfig({ name: 'cx' })).toEqual({ name: 'cx', options: { ...shared, ...silent } });
    expect(processConfig({ name: 'cobi' })).toEqual({
      name: 'cobi',
      options: { ...shared, ...silent, spatial: 0.1 },
    });
  });

  it("takes the authors' values for their form", () => {
    expect(cx({ form: 'authors' })).toMatchObject({ layers: { relu3_2: 1, relu4_2: 1 }, samples: 4225 });
    expect(cobi({ form: 'authors' })).toMatchObject({
      layers: { relu1_2: 1, relu2_2: 1, relu3_2: 0.5 },
      patches: { side: 5, weight: 1 },
      samples: 3969,
    });
    expect(cobi({ form: 'authors', patches: null, samples: null })).toMatchObject({
      patches: null,
      samples: null,
    });
  });

  it('is the same again when it is read back from a run', () => {
    for (const settings of [{}, { form: 'authors' }, { features: 'none', form: 'authors' }]) {
      const config = processConfig({ name: 'cobi', options: settings });
      expect(processConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    }
  });

  it.each([
    [{ features: 'none' }, /'options\.patches'.*all there is to compare.*found nothing/],
    [
      { features: 'none', form: 'authors', layers: { conv1_1: 1 } },
      /'options\.layers'.*'features' is 'none'/,
    ],
    [{ layers: {} }, /'options\.layers'.*none is left of vgg19/],
    [{ layers: { conv4_5: 1 } }, /conv4_5/],
    [{ layers: { conv4_4: 0 } }, /'options\.layers\.conv4_4'/],
    [{ form: 'author' }, /'options\.form'.*"author"/],
    [{ patches: { side: 1, weight: 1 } }, /'options\.patches\.side'/],
    [{ spatial: 0 }, /'options\.spatial'/],
    [{ feature: 'vgg19' }, /'feature'.*did you mean 'features'/],
  ])('%o is refused with the reason', (options, message) => {
    expect(() => processConfig({ name: 'cobi', options })).toThrow(InputError);
    expect(() => processConfig({ name: 'cobi', options })).toThrow(message);
  });
});

describe('CX without its weights', () => {
  beforeEach(() => {
    vi.stubEnv('MIMICSR_SHARED', '');
    vi.stubEnv('MIMICSR_DATA', 'no-such-folder');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('says which file is missing and what brings it, and never makes up another', () => {
    expect(() => createCxProcess(cx({}), 1)).toThrow(
      /VGG19 weights at .*no-such-folder.*vgg19-dcbb9e9d\.pth: 'mimicsr data fetch vgg19'/,
    );
  });
});
