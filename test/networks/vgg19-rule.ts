/** VGG19 with the weights that the goldens' rule gives, under torchvision's names. */
import { VGG_LAYERS, Vgg19 } from '../../src/networks/vgg19';
import type { StateDict } from '../../src/nn/module';
import { closedFormState } from '../closed-form';

/** Numbers of torchvision's convolutions, in order. */
const NUMBERS = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34];

export function ruleVgg19(layers: readonly string[]): Vgg19 {
  const state: StateDict = new Map();
  const net = Vgg19.empty({ layers });
  const own = new Set([...net.namedParameters()].map(([key]) => key));
  const places = VGG_LAYERS.filter((l) => l.startsWith('conv'));
  for (const [key, tensor] of closedFormState('vgg19-features.safetensors')) {
    const [, layer, kind] = key.split('.');
    const name = `features.${NUMBERS[places.indexOf(layer)]}.${kind}`;
    if (own.has(name)) state.set(name, tensor);
  }
  return net.loadStateDict(state, 'rule weights');
}
