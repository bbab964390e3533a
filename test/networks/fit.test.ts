import { describe, expect, it } from 'vitest';
import { fittingPresets, misfit, requireFit } from '../../src/networks/fit';
import { createNetwork, NETWORK_NAMES, NETWORKS } from '../../src/networks/networks';
import { renameRrdb } from '../../src/weights/key-maps';

/** The shapes of a network's weights, by key. No engine runs here: nothing below builds a tensor. */
function shapesOf(name: string, preset?: string): Map<string, { shape: readonly number[] }> {
  const parameters = createNetwork(name, preset).namedParameters();
  return new Map([...parameters].map(([key, { shape }]) => [key, { shape }]));
}

const PRESETS = NETWORK_NAMES.flatMap((network) =>
  NETWORKS[network].presets.map((preset) => ({ network, preset })),
);

describe('weights and the networks that they fit', () => {
  it.each(PRESETS)('$network $preset is found by its keys and shapes', ({ network, preset }) => {
    const weights = shapesOf(network, preset);
    const found = fittingPresets(weights);
    expect(found).toContainEqual({ network, preset });
    // DAT's small and second presets differ in their windows, which no key shows.
    const twins = network === 'dat' && (preset === 'small' || preset === 'second') ? 2 : 1;
    expect(found).toHaveLength(twins);
    expect(() => requireFit(network, preset, weights)).not.toThrow();
  });

  it('every key that is missing, misshapen or unexpected is listed', () => {
    const weights = shapesOf('seemore');
    weights.delete('norm.bias');
    weights.set('norm.weight', { shape: [37] });
    weights.set('extra', { shape: [] });
    expect(misfit(createNetwork('seemore'), weights)).toEqual({
      missing: ['norm.bias [36]'],
      misshapen: ['norm.weight [37] instead of [36]'],
      unexpected: ['extra'],
    });
    expect(() => requireFit('seemore', undefined, weights, 'w.pth')).toThrow(
      'w.pth does not fit --network seemore: 1 missing: norm.bias [36]; 1 misshapen: norm.weight [37] instead of [36]; ' +
        "1 unexpected: extra. It fits none of the kit's networks",
    );
  });

  it('an RRDBNet under other names is told by them, with the command that renames it', () => {
    const basicsr = renameRrdb(shapesOf('rrdbnet'), 'basicsr', 'test');
    expect(fittingPresets(basicsr)).toEqual([]);
    expect(() => requireFit('rrdbnet', undefined, basicsr)).toThrow(
      /names of BasicSR; with 'mimicsr convert IN OUT --keys esrgan' it fits --network rrdbnet --preset full$/,
    );
  });
});
