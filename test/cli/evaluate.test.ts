import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawScene } from '../../src/data/scenes';
import { writeImage } from '../../src/image/file';
import { imresize } from '../../src/image/resize';
import { createNetwork } from '../../src/networks/networks';
import { saveWeights } from '../../src/train/checkpoint';
import { startTestEngine } from '../engines';
import { temporaryFolder } from '../image/pictures';
import { mimicsr } from './run';

const root = temporaryFolder();
const path = (...parts: string[]): string => join(root, ...parts);

describe('mimicsr evaluate', () => {
  beforeAll(async () => {
    await startTestEngine();
    for (const [i, set] of ['one', 'two', 'other/one'].entries()) {
      const hr = drawScene(i, 64, 64);
      await writeImage(path(set, 'a_HR.png'), hr);
      await writeImage(path(set, 'a_LR.png'), imresize(hr, 0.25, { rounding: 'final' }));
    }
  });

  it('saves the pictures of several benchmarks apart, those of one in the folder itself', async () => {
    const save = (out: string, ...benchmarks: string[]): ReturnType<typeof mimicsr> =>
      mimicsr('evaluate', '--bicubic', '--benchmark', ...benchmarks, '--save', path(out));
    expect((await save('sr', path('one'), path('two'), path('one'))).code).toBe(0);
    expect(readdirSync(path('sr'), { recursive: true }).sort()).toEqual([
      'one',
      join('one', 'a.png'),
      'two',
      join('two', 'a.png'),
    ]);
    expect((await save('sr1', path('one'))).code).toBe(0);
    expect(readdirSync(path('sr1'))).toEqual(['a.png']);
    const clash = await save('sr2', path('one'), path('other', 'one'));
    expect([clash.code, clash.out]).toEqual([2, '']);
    expect(clash.err).toContain(
      `${path('one')} and ${path('other', 'one')} would both be saved in ${path('sr2', 'one')}`,
    );
  });

  it('never saves over the pictures that it scores, nor one over another', async () => {
    const before = readFileSync(path('one', 'a_HR.png'));
    const into = await mimicsr('evaluate', '--bicubic', '--benchmark', path('one'), '--save', path('one'));
    expect([into.code, into.out]).toEqual([2, '']);
    expect(into.err).toContain(`is in ${path('one')}'s own folder`);
    expect(readFileSync(path('one', 'a_HR.png')).equals(before)).toBe(true);
    for (const name of ['a.png', 'a.webp']) await writeImage(path('photos', name), drawScene(name, 64, 64));
    const scenes = ['--benchmark', path('photos'), '--camera', 'aligned'];
    const twice = await mimicsr('evaluate', '--bicubic', ...scenes, '--save', path('twice'));
    expect(twice.code).toBe(2);
    expect(twice.err).toContain(`two pictures are called 'a': they cannot both be saved in ${path('twice')}`);
  });

  it('names the picture that is too small for the crop', async () => {
    const { code, err } = await mimicsr('evaluate', '--bicubic', '--benchmark', path('one'), '--crop', '32');
    expect([code, err.includes('mimicsr: a: an image of 64x64')]).toEqual([2, true]);
  });

  it('says the tile that the scores hold for', async () => {
    const network = createNetwork('seemore').initialise(1);
    saveWeights(path('weights.safetensors'), await network.stateDict(), {});
    network.dispose();
    const evaluate = (...args: string[]): ReturnType<typeof mimicsr> =>
      mimicsr('evaluate', '--benchmark', path('one'), ...args);
    const weights = ['--weights', path('weights.safetensors'), '--network', 'seemore'];
    const protocol = async (...args: string[]): Promise<unknown> =>
      (JSON.parse((await evaluate(...args, '--json')).out) as { protocol: unknown }).protocol;
    expect(await protocol(...weights)).toEqual({ crop: 4, lr: 'real', tile: 256 });
    expect(await protocol('--bicubic')).toEqual({ crop: 4, lr: 'real', tile: null });
    expect((await evaluate(...weights, '--tile', '64')).out).toContain('\ncrop 4, tile 64\n');
    for (const tile of ['32', '100']) {
      const { code, err } = await evaluate(...weights, '--tile', tile);
      expect([code, err]).toEqual([2, `mimicsr: --tile ${tile}: expected a multiple of 32, at least 64\n`]);
    }
  });

  it.each(['file', 'file/below'])('says that --save %s is no folder', async (out) => {
    writeFileSync(path('file'), '');
    const saved = await mimicsr('evaluate', '--bicubic', '--benchmark', path('one'), '--save', path(out));
    expect(saved).toEqual({
      code: 2,
      out: '',
      err: `mimicsr: cannot write ${path(out)}: a part of the path is a file, not a folder\n`,
    });
  });

  it.each([
    [
      ['--run', path('one'), '--network', 'seemore'],
      `${path('one')} is a run folder, which knows its network`,
    ],
    [['--run', path('one'), '--preset', 'tiny'], `${path('one')} is a run folder, which knows its network`],
    [
      ['--weights', path('one'), '--network', 'dat'],
      `${path('one')} is a folder: expected a weights file; of a run say --run`,
    ],
    [['--run', path('none')], `no run folder ${path('none')}`],
    [['--bicubic', '--run', 'r'], '--bicubic goes without --run'],
    [['--bicubic', '--network', 'seemore'], '--bicubic goes without --network'],
    [['--bicubic', '--preset', 'tiny'], '--bicubic goes without --preset'],
    [['--bicubic', '--tile', '64'], '--bicubic goes without --tile'],
    [['--bicubic', '--engine', 'cpu'], '--bicubic goes without --engine'],
  ])('refuses flags that would change nothing: %j', async (flags, message) => {
    const { code, out, err } = await mimicsr('evaluate', '--benchmark', path('one'), ...flags);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
  });
});
