import { beforeAll, describe, expect, it } from 'vitest';
import { Dat, DAT_PRESETS } from '../../src/networks/dat';
import { networkMacs } from '../../src/networks/macs';
import { createNetwork, NETWORK_NAMES } from '../../src/networks/networks';
import type { SrNetwork } from '../../src/networks/sr-network';
import { SwinIr, SWINIR_PRESETS } from '../../src/networks/swinir';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

describe(`SR networks by name on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it.each([
    ['rrdbnet', 16_697_987, 18_357_092_352],
    ['swinir', 929_628, 1_090_621_440],
    ['dat', 572_766, 843_914_286],
    ['seemore', 231_804, 215_818_344],
  ])(
    "%s is the paper's size: %i parameters, %i multiply-accumulates at 32x32",
    async (name, parameters, macs) => {
      const net = createNetwork(name).initialise(0);
      expect(net.parameterCount()).toBe(parameters);
      await leavesNoTensors(() => expect(networkMacs(net, 32, 32)).toBe(macs));
      net.dispose();
    },
  );

  it('start with the initial values of the official code', async () => {
    const constant = (value: number) => (data: Float32Array) => data.every((v) => v === value);
    const rms = (data: Float32Array): number => Math.sqrt(data.reduce((s, v) => s + v * v, 0) / data.length);
    const normal = (std: number) => (data: Float32Array) => Math.abs(rms(data) / std - 1) < 0.1;
    const uniform = (fanIn: number) => (data: Float32Array) => {
      const largest = data.reduce((m, v) => Math.max(m, Math.abs(v)), 0) * Math.sqrt(fanIn);
      return largest <= 1 && largest > 0.9;
    };
    const expected: Record<string, Record<string, (data: Float32Array) => boolean>> = {
      rrdbnet: {
        'RRDB_trunk.3.RDB2.conv5.weight': uniform(192 * 9),
        'RRDB_trunk.3.RDB2.conv5.bias': uniform(192 * 9),
      },
      swinir: {
        'conv_after_body.weight': uniform(60 * 9),
        'layers.1.residual_group.blocks.3.attn.relative_position_bias_table': normal(0.02),
        'layers.1.residual_group.blocks.3.attn.qkv.weight': normal(0.02),
        'layers.1.residual_group.blocks.3.attn.qkv.bias': constant(0),
        'layers.1.residual_group.blocks.3.norm2.weight': constant(1),
        'layers.1.residual_group.blocks.3.norm2.bias': constant(0),
      },
      dat: {
        'layers.0.blocks.3.attn.temperature': constant(1),
        'layers.0.blocks.3.attn.dwconv.0.weight': uniform(9),
        'layers.0.blocks.3.attn.dwconv.1.weight': constant(1),
        'layers.0.blocks.3.attn.dwconv.1.running_mean': constant(0),
        'layers.0.blocks.3.attn.dwconv.1.running_var': constant(1),
        'layers.0.blocks.3.ffn.fc1.weight': normal(0.02),
        'layers.0.blocks.3.ffn.fc1.bias': constant(0),
      },
      seemore: {
        'body.2.local_block.block.moe_layer.gate.body.2.weight': uniform(36),
        'body.2.global_block.norm_1.weight': constant(1),
      },
    };
    for (const [name, rules] of Object.entries(expected)) {
      const net = createNetwork(name).initialise(7);
      const state = await net.stateDict();
      for (const [key, holds] of Object.entries(rules)) expect(holds(state.get(key)!.data), key).toBe(true);
      net.dispose();
    }
  });

  it('counts what SwinIR and DAT pad', () => {
    const macs = (create: () => SrNetwork, h: number, w: number): number => {
      const net = create().initialise(0);
      const count = networkMacs(net, h, w);
      net.dispose();
      return count;
    };
    const swinir = (): SrNetwork => new SwinIr({ ...SWINIR_PRESETS.light, depths: [1], heads: [6] });
    expect(macs(swinir, 9, 12)).toBe(macs(swinir, 16, 16));
    // Only the two attention products of a block see DAT's padding.
    const dat = (): SrNetwork => new Dat({ ...DAT_PRESETS.light, depths: [1] });
    const perPixel = (macs(dat, 32, 32) - macs(dat, 16, 32)) / 512;
    expect(macs(dat, 32, 32) - macs(dat, 24, 32)).toBe(perPixel * 256);
    expect(perPixel).toBeGreaterThan(0);
  });

  it('refuses unknown names, with the nearest known one', () => {
    expect(NETWORK_NAMES).toEqual(['rrdbnet', 'swinir', 'dat', 'seemore']);
    expect(() => createNetwork('swinr')).toThrow(InputError);
    expect(() => createNetwork('swinr')).toThrow("did you mean 'swinir'?");
    expect(() => createNetwork('dat', 'big')).toThrow("unknown preset of dat 'big'");
  });
});
