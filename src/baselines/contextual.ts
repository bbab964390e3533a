/**
 * Training with a contextual loss alone: what `cx` and `cobi` share. The SR network trains on the real pair; its output and
 * the HR are compared by the maps of a feature network, by patches of their pixels, or both (`losses/contextual`).
 *
 * Forms: `released` takes maps before the ReLU of a VGG19 with maximum pools, and touching patches by their cosine. The
 * `authors` take maps behind the ReLU with average pools, and overlapping patches by their squared distance in grey levels;
 * CoBi's cut every map into quarters. Both authors' networks are the Caffe VGG19; here it is torchvision's for both forms,
 * with the normalisation that it was trained with.
 */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { contextualLoss, type ContextualForm } from '../losses/contextual';
import {
  FEATURE_NAMES,
  loadFeatureNetwork,
  mapVectors,
  quarters,
  samplePlaces,
  slidingPatches,
  tiledPatches,
  type FeatureNetwork,
} from '../losses/features';
import { networksAmong, type LossTerms, type TrainingProcess } from '../losses/training-process';
import { VGG_LAYERS, vggStride } from '../networks/vgg19';
import { noGradient, noGradients } from '../ops/no-gradient';
import { Random } from '../util/random';

const patchesSchema = z.strictObject({
  /** Side of a patch, pixels. */
  side: z.int().min(2).max(32),
  weight: z.number().positive(),
});

/** The keys of both losses' configurations. What is left out takes the form's value (`completed`). */
export const contextualShape = {
  form: z.enum(['released', 'authors']).default('released'),
  /** `random-orthogonal` needs no weights; `none` compares patches alone. */
  features: z.enum([...FEATURE_NAMES, 'none']).default('vgg19'),
  /** The feature maps that are compared, with their weights. */
  layers: z.partialRecord(z.enum(VGG_LAYERS), z.number().positive()).optional(),
  /** Compare patches of the pictures too; null for none. */
  patches: patchesSchema.nullable().optional(),
  /** Bandwidth. */
  h: z.number().positive().max(1).default(0.5),
  /** Of a map with more places, this many are drawn in every iteration, the same of both pictures; null for all. */
  samples: z.int().min(2).nullable().optional(),
};

type Settings = z.output<z.ZodObject<typeof contextualShape>>;
type FormDependent = 'layers' | 'patches' | 'samples';

/** A complete configuration of either loss. */
export type ContextualConfig = Omit<Settings, FormDependent> & {
  readonly [K in FormDependent]-?: Exclude<Settings[K], undefined>;
};

/** What each form says where a configuration is silent. */
export type FormDefaults = Record<Settings['form'], Pick<ContextualConfig, FormDependent>>;

export function completed<S extends Settings>(settings: S, defaults: FormDefaults): S & ContextualConfig {
  const { layers, patches, samples } = defaults[settings.form];
  return {
    ...settings,
    layers: settings.layers ?? (settings.features === 'none' ? {} : layers),
    patches: settings.patches === undefined ? patches : settings.patches,
    samples: settings.samples === undefined ? samples : settings.samples,
  };
}

/** Refuses combinations without a meaning, with the reason. */
export function refuseNonsense(config: ContextualConfig, context: z.RefinementCtx): void {
  const refuse = (key: string, found: unknown, message: string): void =>
    context.addIssue({ code: 'custom', path: [key], message, params: { found } });
  const count = Object.keys(config.layers).length;
  if (config.features === 'none' && count > 0)
    refuse(
      'layers',
      config.layers,
      "are those of a feature network, but 'features' is 'none': expected none",
    );
  if (config.features === 'none' && config.patches === null)
    refuse(
      'patches',
      null,
      "without a feature network patches are all there is to compare: expected a 'side'",
    );
  if (config.features !== 'none' && count === 0)
    refuse(
      'layers',
      config.layers,
      `none is left of ${config.features}: expected at least one, or features 'none'`,
    );
}

/**
 * @param form the loss itself
 * @param quartered cut every map into quarters, within which places are compared
 * @param network with the layers of the configuration, in their order; absent where it has none
 * @param seed of the places that are drawn
 */
export function contextualProcess(
  name: 'cx' | 'cobi',
  config: ContextualConfig,
  form: ContextualForm,
  quartered: boolean,
  network: FeatureNetwork | undefined,
  seed: number,
): TrainingProcess {
  if (config.features !== (network?.name ?? 'none')) {
    throw new Error(`${name} config names features '${config.features}', got ${network?.name ?? 'none'}`);
  }
  const layers = Object.entries(config.layers) as [string, number][];
  const drawn = (places: number, ...path: (string | number)[]): Uint32Array | undefined =>
    samplePlaces(places, config.samples, new Random(seed, name, ...path));

  return {
    name,
    trained: {},
    frozen: networksAmong(network),
    minimumPatch: minimumPatch(config, quartered),
    losses(sr, { lr, hr }, step): LossTerms {
      const output = sr.forward(lr);
      const terms: LossTerms = {};
      if (network !== undefined) {
        const found = network.features(output);
        const wanted = noGradients(() => network.features(hr)) as tf.Tensor4D[];
        layers.forEach(([layer, weight], i) => {
          const [a, b] = [found[i], wanted[i]].map((map) => (quartered ? quarters(map) : map));
          const places = drawn(a.shape[1] * a.shape[2], layer, step);
          const each = contextualLoss(mapVectors(a, places), mapVectors(b, places), 'cosine', form);
          terms[layer] = { value: tf.mean(each), weight };
        });
      }
      if (config.patches !== null) {
        const { side, weight } = config.patches;
        let each: tf.Tensor1D;
        if (config.form === 'released') {
          const target = noGradient(() => tiledPatches(hr, side));
          each = contextualLoss(tiledPatches(output, side), target, 'cosine', form);
        } else {
          const places = drawn(hr.shape[1] * hr.shape[2], 'patches', step);
          const vectors = (image: tf.Tensor4D): tf.Tensor3D =>
            tf.mul(slidingPatches(image, side, places), 255);
          each = contextualLoss(
            vectors(output),
            noGradient(() => tf.tidy(() => vectors(hr))),
            'squared',
            form,
          );
        }
        terms.patches = { value: tf.mean(each), weight };
      }
      return terms;
    },
    dispose: () => network?.dispose(),
  };
}

/** LR side from which every map (every quarter) has at least two places on a side, so that there is something to choose. */
function minimumPatch({ layers, patches, form }: ContextualConfig, quartered: boolean): number {
  const strides = Object.keys(layers).map((layer) => vggStride(layer) * (quartered ? 2 : 1));
  if (patches !== null) strides.push(form === 'released' ? patches.side : 1);
  return Math.ceil((2 * Math.max(...strides)) / 4);
}

/** The feature network of a configuration, or undefined where it has none. */
export function featureNetworkOf(config: ContextualConfig): FeatureNetwork | undefined {
  if (config.features === 'none') return undefined;
  return loadFeatureNetwork(config.features, {
    layers: Object.keys(config.layers),
    pooling: config.form === 'released' ? 'max' : 'average',
  });
}
