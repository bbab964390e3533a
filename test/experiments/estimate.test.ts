import { describe, expect, it } from 'vitest';
import { estimateSeconds } from '../../src/experiments/estimate';
import { experiment } from '../../src/experiments/experiment';
import { openRequest } from '../../src/experiments/request';
import { resultRow } from './result-row';

const { plan } = openRequest({
  what: 'table2',
  profile: 'mini',
  networks: ['seemore', 'dat'],
  methods: ['l1', 'pseudo-gt'],
  seeds: [1],
});
const [bicubic, l1, pseudoGt, datL1, datPseudoGt] = plan;

describe('The estimate of a plan', () => {
  it('counts what runs share for the first of them', () => {
    const times = estimateSeconds(plan, []);
    expect(times).toHaveLength(5);
    const [first] = estimateSeconds([datPseudoGt], []);
    expect(times[4]).toBeLessThan(first / 2);
    expect(times[4]).toBe(times[3]); // without its preparation, Pseudo GT trains as L1 does
    expect(times[2]).toBeGreaterThan(2 * times[1]);
    expect(estimateSeconds([bicubic], [])[0]).toBeLessThan(times[1]);
  });

  it('counts the pictures that Pseudo GT makes before it trains', () => {
    const seconds = (count: number): number => {
      const { config } = pseudoGt.experiment!;
      const data = { kind: 'scenes' as const, preset: 'aligned' as const, count };
      return estimateSeconds([{ ...pseudoGt, experiment: experiment({ ...config, data }) }], [])[0];
    };
    expect(seconds(200) - seconds(100)).toBeCloseTo(100 * 4.5, 3);
  });

  it('goes by a finished run of the same network, process and recipe', () => {
    const row = resultRow({ network: l1.network, process: 'L1', batch: 8, patch: 32, secondsPerStep: 3 });
    const [known, other, , dat] = estimateSeconds([l1, pseudoGt, datPseudoGt, datL1], [row]);
    expect(known).toBeGreaterThan(600 * 3);
    expect(other).toBe(estimateSeconds([pseudoGt], [])[0]);
    expect(dat).toBe(estimateSeconds([datL1], [])[0]);
    expect(estimateSeconds([l1], [{ ...row, batch: 16 }])[0]).toBeLessThan(known);
  });
});
