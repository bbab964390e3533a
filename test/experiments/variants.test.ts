import { describe, expect, it } from 'vitest';
import { SWITCH_NAMES, withOption, without } from '../../src/experiments/variants';
import { mimicConfig, mimicCorrected } from '../../src/mimic/config';

describe('the corrected process without parts', () => {
  it('is a valid configuration for every set of switches, and differs from every other', () => {
    const sets = Array.from({ length: 2 ** SWITCH_NAMES.length }, (_, bits) =>
      SWITCH_NAMES.filter((_, i) => (bits >> i) & 1),
    );
    const configs = sets.map((names) => JSON.stringify(mimicConfig(without(mimicCorrected(), names))));
    // Without flow nothing is masked, so there the switch of the mask does nothing.
    expect(new Set(configs).size).toBe(48);
  });

  it.each([
    ['lambda', 0, 'colour'],
    ['colour', 'none', 'colour'],
    ['flow', 'none', 'flow'],
    ['mask', false, 'mask'],
    ['noise', false, 'noise'],
    ['guidance', false, 'guidance'],
    ['detach', false, 'detach'],
  ] as const)('is what the value %s %s makes of it', (option, value, part) => {
    expect(withOption(mimicCorrected(), option, value)).toEqual(without(mimicCorrected(), [part]));
  });

  it('keeps all parts with any other value', () => {
    expect(withOption(mimicCorrected(), 'lambda', 0.1)).toEqual({ ...mimicCorrected(), lambda: 0.1 });
  });
});
