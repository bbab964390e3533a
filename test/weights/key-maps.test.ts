import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import { isDerivedBuffer, renameRrdb, rrdbNaming, stripModulePrefix } from '../../src/weights/key-maps';

/** Names of an RRDBNet of `blocks` blocks, written out as each repository does. */
function rrdbNames(blocks: number): { esrgan: string[]; basicsr: string[]; old: string[] } {
  const stems: [string, string, string][] = [['conv_first', 'conv_first', 'model.0']];
  for (let i = 0; i < blocks; i++) {
    for (const j of [1, 2, 3]) {
      for (const k of [1, 2, 3, 4, 5]) {
        stems.push([
          `RRDB_trunk.${i}.RDB${j}.conv${k}`,
          `body.${i}.rdb${j}.conv${k}`,
          `model.1.sub.${i}.RDB${j}.conv${k}.0`,
        ]);
      }
    }
  }
  stems.push(
    ['trunk_conv', 'conv_body', `model.1.sub.${blocks}`],
    ['upconv1', 'conv_up1', 'model.3'],
    ['upconv2', 'conv_up2', 'model.6'],
    ['HRconv', 'conv_hr', 'model.8'],
    ['conv_last', 'conv_last', 'model.10'],
  );
  const names = stems.flatMap((s) => ['weight', 'bias'].map((kind) => s.map((stem) => `${stem}.${kind}`)));
  return { esrgan: names.map((n) => n[0]), basicsr: names.map((n) => n[1]), old: names.map((n) => n[2]) };
}

const mapOf = (names: string[]) => new Map(names.map((name, i) => [name, i]));

describe('names of an RRDBNet', () => {
  it.each([1, 2, 23])(
    '%i blocks: every naming turns into every other, weight by weight and in order',
    (blocks) => {
      const { esrgan, basicsr, old } = rrdbNames(blocks);
      if (blocks === 23) expect(esrgan).toHaveLength(702);
      const namings = { esrgan, basicsr, 'esrgan-old': old } as const;
      for (const from of ['esrgan', 'basicsr', 'esrgan-old'] as const) {
        expect(rrdbNaming(namings[from])).toBe(from);
        for (const to of ['esrgan', 'basicsr', 'esrgan-old'] as const) {
          expect([...renameRrdb(mapOf(namings[from]), to, 'x')]).toEqual([...mapOf(namings[to])]);
        }
      }
    },
  );

  it('are told from those of other networks', () => {
    expect(
      rrdbNaming(['layers.0.residual_group.blocks.0.norm1.weight', 'conv_first.weight']),
    ).toBeUndefined();
    expect(() => renameRrdb(mapOf(['conv_first.weight']), 'esrgan', 'x.pth')).toThrow(InputError);
    expect(() => renameRrdb(mapOf(['conv_first.weight']), 'esrgan', 'x.pth')).toThrow(
      /^x\.pth: expected an RRDBNet/,
    );
  });

  it('with one that does not belong are refused by that name', () => {
    const { basicsr, old } = rrdbNames(2);
    for (const stray of ['body.0.rdb4x.conv1.weight', 'conv_first.running_mean', 'xconv_up1.weight']) {
      expect(() => renameRrdb(mapOf([...basicsr, stray]), 'esrgan', 'x')).toThrow(
        `'${stray}' is not a weight`,
      );
    }
    // In the oldest naming the number after the last block is the trunk convolution; no other is.
    expect(() => renameRrdb(mapOf([...old, 'model.1.sub.3.weight']), 'esrgan', 'x')).toThrow(
      /model\.1\.sub\.3\.weight/,
    );
  });
});

describe('the prefix of DataParallel', () => {
  it('is stripped once, from the names that have it', () => {
    const stripped = stripModulePrefix(
      mapOf(['module.a.weight', 'module.module.b', 'c.module.d', 'modules.e']),
      'x',
    );
    expect([...stripped]).toEqual([...mapOf(['a.weight', 'module.b', 'c.module.d', 'modules.e'])]);
  });

  it('must not make two names one', () => {
    expect(() => stripModulePrefix(mapOf(['a', 'module.a']), 'x.pth')).toThrow(
      "x.pth: holds 'a' twice, once as 'module.a'",
    );
  });
});

it('derived buffers are told by the last part of their name', () => {
  const derived = [
    'relative_position_index',
    'attn_mask',
    'attn_mask_0',
    'attn_mask_1',
    'rpe_biases',
    'num_batches_tracked',
  ];
  for (const name of derived) {
    expect(isDerivedBuffer(name)).toBe(true);
    expect(isDerivedBuffer(`layers.0.blocks.1.attn.${name}`)).toBe(true);
    expect(isDerivedBuffer(`${name}.weight`)).toBe(false);
  }
  expect(isDerivedBuffer('attn.relative_position_bias_table')).toBe(false);
  expect(isDerivedBuffer('bn.running_mean')).toBe(false);
});
