import { describe, expect, it } from 'vitest';
import { correctedWithout, SWITCH_NAMES } from '../../src/experiments/variants';
import { mimicConfig } from '../../src/mimic/config';

describe('the corrected process without parts', () => {
  it('is a valid configuration for every set of switches, and differs from every other', () => {
    const sets = Array.from({ length: 2 ** SWITCH_NAMES.length }, (_, bits) =>
      SWITCH_NAMES.filter((_, i) => (bits >> i) & 1),
    );
    const configs = sets.map((names) => JSON.stringify(mimicConfig(correctedWithout(names))));
    // Without flow nothing is masked, so there the switch of the mask does nothing.
    expect(new Set(configs).size).toBe(48);
  });
});
