import { describe, expect, it } from 'vitest';
import { RRDBNET_PRESETS, RrdbNet } from '../../src/networks/rrdbnet';
import { describeNetworkGolden } from './network-golden';

describeNetworkGolden({
  file: 'rrdbnet_nb2',
  create: () => new RrdbNet({ channels: 32, growth: 16, blocks: 2 }),
  beforeLeaky: { upconv1: 0.2 },
  modules: 6,
});

describe('RRDBNet', () => {
  it("has the parameters of ESRGAN's generator, 702 tensors", () => {
    const net = new RrdbNet(RRDBNET_PRESETS.full);
    expect(net.parameterCount()).toBe(16_697_987);
    expect([...net.namedParameters()]).toHaveLength(702);
  });
});
