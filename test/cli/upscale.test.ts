import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { readImage, readImageDepth, writeImage } from '../../src/image/file';
import { toUint16, toUint8 } from '../../src/image/quantise';
import { createNetwork } from '../../src/networks/networks';
import { saveWeights } from '../../src/train/checkpoint';
import { startTestEngine } from '../engines';
import { noisePicture, temporaryFolder } from '../image/pictures';
import { mimicsr } from './run';

const root = temporaryFolder();
const path = (...parts: string[]): string => join(root, ...parts);
const upscale = (...args: string[]): ReturnType<typeof mimicsr> =>
  mimicsr('upscale', ...args, '--weights', path('weights.safetensors'), '--network', 'seemore');

describe('mimicsr upscale', () => {
  beforeAll(async () => {
    await startTestEngine();
    const network = createNetwork('seemore').initialise(1);
    saveWeights(path('weights.safetensors'), await network.stateDict(), {});
    network.dispose();
    for (const name of ['a/x.png', 'b/x.jpg', 'b/y.png'])
      await writeImage(path(name), noisePicture(16, 16, 1));
  });

  it('refuses two pictures that would become one file, before any work', async () => {
    const { code, out, err } = await upscale(path('a/x.png'), path('b/x.jpg'), '--out', path('twice'));
    expect([code, out]).toEqual([2, '']);
    expect(err).toBe(
      `mimicsr: ${path('a/x.png')} and ${path('b/x.jpg')} would both be upscaled to one file: expected one picture a name\n`,
    );
    expect(existsSync(path('twice'))).toBe(false);
    const once = await upscale(path('a/x.png'), path('a/x.png'), '--out', path('once'));
    expect(once).toMatchObject({ code: 0, out: `${path('once/x_x4.png')}\n` });
  });

  it('takes the pictures in a folder, each once', async () => {
    const { code, out } = await upscale(path('b'), path('b/y.png'), '--out', path('folder'));
    expect({ code, out }).toEqual({
      code: 0,
      out: `${path('folder/x_x4.png')}\n${path('folder/y_x4.png')}\n`,
    });
    mkdirSync(path('empty'));
    expect((await upscale(path('empty'), '--out', path('folder'))).err).toContain(
      `${path('empty')} has no image`,
    );
  });

  it.each(['file', 'file/below'])('says that --out %s is no folder', async (out) => {
    writeFileSync(path('file'), '');
    expect(await upscale(path('a/x.png'), '--out', path(out))).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(
        `\nmimicsr: cannot write ${path(out)}: a part of the path is a file, not a folder\n$`,
      ) as string,
    });
  });

  it.skipIf(process.getuid?.() === 0)('says that --out cannot be written to', async () => {
    mkdirSync(path('locked'), { mode: 0o500 });
    for (const out of ['locked', 'locked/below']) {
      const { code, err } = await upscale(path('a/x.png'), '--out', path(out));
      expect([code, err]).toEqual([
        2,
        expect.stringContaining(`cannot write ${path(out)}: permission denied`),
      ]);
    }
  });

  it('writes as many bits as it reads, and says that alpha is left out', async () => {
    const picture = noisePicture(16, 16, 1, 65535);
    await writeImage(path('wide.png'), picture, { bits: 16 });
    await sharp(toUint8(noisePicture(16, 16, 1, 255, 4)), { raw: { width: 16, height: 16, channels: 4 } })
      .png()
      .toFile(path('alpha.png'));
    const { code, err } = await upscale(path('wide.png'), path('alpha.png'), '--out', path('depth'));
    expect(code).toBe(0);
    expect(err.match(/alpha channel/g)).toHaveLength(1);
    expect(err).toContain(`${path('alpha.png')}: its alpha channel is left out`);
    expect(await readImageDepth(path('depth/wide_x4.png'))).toEqual({ bits: 16, alpha: false });
    expect(await readImageDepth(path('depth/alpha_x4.png'))).toEqual({ bits: 8, alpha: false });
    const coarse = toUint16(await readImage(path('depth/wide_x4.png'))).every((value) => value % 257 === 0);
    expect(coarse).toBe(false);
  });
});
