import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { program } from '../../src/cli/main';
import { drawScene } from '../../src/data/scenes';
import { readImage, readImageSize, writeImage } from '../../src/image/file';
import { blankImage } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { startTestEngine, TEST_ENGINE } from '../engines';
import { mimicsr } from './run';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-cli-'));
const path = (...parts: string[]): string => join(root, ...parts);

describe('mimicsr', () => {
  beforeAll(async () => {
    await startTestEngine();
    const hr = drawScene(3, 128, 96);
    await writeImage(path('bench', 'a_HR.png'), hr);
    await writeImage(path('bench', 'a_LR.png'), imresize(hr, 0.25, { rounding: 'final' }));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('shows an example in the help of every command', async () => {
    for (const command of program().commands) {
      const { code, out } = await mimicsr(command.name(), '--help');
      expect(code).toBe(0);
      expect(out).toContain(`Example:\n  mimicsr ${command.name()}`);
    }
  });

  it('doctor names every engine with a reason, and the one that would run', async () => {
    const { code, out } = await mimicsr('doctor', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as {
      engines: { name: string; available: boolean; detail: string }[];
      chosen: string;
    };
    expect(report.engines.map((e) => e.name)).toEqual(['torch', 'node-gpu', 'node', 'webgpu', 'wasm', 'cpu']);
    for (const e of report.engines) expect(e.detail).not.toBe('');
    expect(report.engines.find((e) => e.name === report.chosen)?.available).toBe(true);
    expect((await mimicsr('doctor')).out).toContain('wasm');
  });

  it('trains, evaluates and upscales from the run that it made', async () => {
    const run = path('run');
    const training = [
      'train',
      '--photos',
      'scenes',
      '--camera',
      'aligned',
      '--iterations',
      '2',
      '--batch',
      '2',
      '--patch',
      '16',
    ];
    const trained = await mimicsr(...training, '--engine', TEST_ENGINE, '--out', run);
    expect(trained.err).toContain(`engine ${TEST_ENGINE}`);
    expect(trained.out).toContain('2 of 2 iterations');
    expect(readdirSync(run).sort()).toEqual([
      'checkpoint.safetensors',
      'config.json',
      'log.jsonl',
      'weights.safetensors',
    ]);

    const scored = await mimicsr(
      'evaluate',
      '--run',
      run,
      '--benchmark',
      path('bench'),
      '--json',
      '--save',
      path('sr'),
    );
    const { benchmarks } = JSON.parse(scored.out) as {
      benchmarks: Record<string, { images: object[]; mean: Record<string, number> }>;
    };
    expect(Object.keys(benchmarks[path('bench')].mean)).toEqual(['psnrY', 'ssimY', 'psnrRgb', 'ssimRgb']);
    const bicubic = await mimicsr('evaluate', '--bicubic', '--benchmark', path('bench'));
    expect(bicubic.out).toMatch(/mean +\d+\.\d\d +0\.\d{4}/);
    const still = await mimicsr('evaluate', '--bicubic', '--benchmark', path('bench'), '--camera', 'aligned');
    expect(still.out).toMatch(/mean +\d+\.\d\d[^]*LR by the camera aligned/);

    const upscaled = await mimicsr('upscale', path('bench', 'a_LR.png'), '--run', run, '--out', path('up'));
    expect(upscaled).toMatchObject({ code: 0, out: `${path('up', 'a_LR_x4.png')}\n` });
    expect(await readImageSize(path('up', 'a_LR_x4.png'))).toEqual({ width: 128, height: 96 });
    // The picture that evaluate saved is the same upscaling.
    expect(await readImage(path('up', 'a_LR_x4.png'))).toEqual(await readImage(path('sr', 'a.png')));
    const fromFile = await mimicsr(
      'upscale',
      path('bench', 'a_LR.png'),
      '--weights',
      join(run, 'weights.safetensors'),
      '--network',
      'seemore',
      '--out',
      path('up2'),
    );
    expect(fromFile.code).toBe(0);
  });

  it('reads its settings from a file, flags first', async () => {
    writeFileSync(
      path('config.json'),
      JSON.stringify({
        data: { kind: 'scenes', preset: 'aligned', count: 2 },
        recipe: { iterations: 5, batch: 1, patch: 16 },
      }),
    );
    const run = path('from-file');
    expect(
      (await mimicsr('train', '--config', path('config.json'), '--iterations', '1', '--out', run)).code,
    ).toBe(0);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as {
      recipe: Record<string, number>;
      data: object;
    };
    expect(config.recipe).toMatchObject({ iterations: 1, batch: 1, patch: 16 });
    expect(config.data).toEqual({ kind: 'scenes', preset: 'aligned', count: 2, seed: 0 });
  });

  it('trains once more what a run was, from its own record', async () => {
    const again = path('again');
    const { code, err } = await mimicsr(
      'train',
      '--config',
      join(path('from-file'), 'config.json'),
      '--out',
      again,
    );
    expect([code, err.includes('unknown key')]).toEqual([0, false]);
    const weights = (run: string): Buffer => readFileSync(join(run, 'weights.safetensors'));
    expect(weights(again).equals(weights(path('from-file')))).toBe(true);
  });

  it('trains on real pairs misaligned further, and records by what', async () => {
    const run = path('misaligned');
    const data = ['--pairs', path('bench'), '--misaligned', 'srraw-like'];
    const recipe = ['--iterations', '1', '--batch', '1', '--patch', '16'];
    expect((await mimicsr('train', ...data, ...recipe, '--out', run)).code).toBe(0);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config.data).toEqual({ kind: 'pairs', folder: path('bench'), misaligned: 'srraw-like' });
    expect(JSON.stringify(config)).toContain('HR misaligned as by srraw-like');
  });

  it('trains with the corrected mimicking process with nothing downloaded, and records what it used', async () => {
    const run = path('corrected');
    vi.stubEnv('MIMICSR_SHARED', '');
    vi.stubEnv('MIMICSR_DATA', path('no-data'));
    const process = ['--process', 'mimic', '--mode', 'corrected', '--photos', 'scenes'];
    const recipe = ['--iterations', '1', '--batch', '1', '--patch', '16'];
    const own = ['--set', 'lambda=0.5', '--set', 'colour=cielab', '--set', 'corrections.noise=false'];
    const { code } = await mimicsr('train', ...process, ...own, ...recipe, '--out', run);
    vi.unstubAllEnvs();
    expect(code).toBe(0);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as { process: object };
    expect(config.process).toMatchObject({
      name: 'mimic',
      options: {
        flow: 'small',
        colour: 'cielab',
        lambda: 0.5,
        corrections: { grid: true, warp: true, noise: false },
      },
    });
  });

  it.each([
    ['an unknown command', ['trian'], "unknown command 'trian'"],
    ['an unknown flag', ['train', '--itertions', '3'], '--itertions'],
    [
      'a number that is none',
      ['train', '--iterations', 'many'],
      '--iterations many: expected a whole number',
    ],
    ['no data', ['train', '--out', 'NEVER'], 'nothing to train on'],
    ['a misalignment of no pairs', ['train', '--misaligned', 'srraw-like'], '--misaligned is for real pairs'],
    [
      'a misalignment by no camera',
      ['train', '--pairs', 'bench', '--misaligned', 'sraw-like', '--out', 'NEVER'],
      'misaligned',
    ],
    ['an empty folder', ['train', '--pairs', 'EMPTY', '--out', 'NEVER'], 'has no image'],
    ['an unknown mode', ['train', '--process', 'mimic', '--mode', 'correct'], "did you mean 'corrected'"],
    [
      'a mode of another process',
      ['train', '--mode', 'released'],
      '--mode released is for --process mimic or',
    ],
    [
      'a mode that the process lacks',
      ['train', '--process', 'alignment-loss', '--mode', 'camera'],
      '--mode camera is for --process mimic',
    ],
    ['an option of a process without', ['train', '--set', 'lambda=1', '--pairs', 'x'], 'l1 has none'],
    ['an option without a value', ['train', '--set', 'lambda'], '--set lambda: expected OPTION=VALUE'],
    [
      'an option within one that is a number',
      [
        'train',
        '--process',
        'mimic',
        '--mode',
        'corrected',
        '--set',
        'lambda.a=1',
        '--photos',
        'scenes',
        '--out',
        'NEVER',
      ],
      "'process.options.lambda'",
    ],
    [
      'an unknown option of the process',
      ['train', '--process', 'mimic', '--set', 'lamda=1', '--photos', 'scenes', '--out', 'NEVER'],
      "'lamda'",
    ],
    ['an unknown engine', ['train', '--photos', 'scenes', '--engine', 'tourch'], "unknown engine 'tourch'"],
    [
      'an unknown network',
      ['train', '--photos', 'scenes', '--network', 'seemor', '--out', 'NEVER'],
      "did you mean 'seemore'",
    ],
    ['an unknown config key', ['train', '--config', 'BADKEY', '--out', 'NEVER'], "badkey.json 'bach'"],
    [
      'a config that is no object',
      ['train', '--config', 'NULLJSON', '--out', 'NEVER'],
      'null.json: expected object',
    ],
    [
      'a config whose parts are none',
      ['train', '--config', 'NOPROCESS', '--set', 'lambda=1', '--out', 'NEVER'],
      "no-process.json: key 'process'",
    ],
    [
      'an empty folder name',
      ['train', '--photos', 'scenes', '--out', ''],
      '--out: expected a value, found nothing',
    ],
    [
      'an empty number',
      ['evaluate', '--bicubic', '--benchmark', 'BENCH', '--crop', ''],
      '--crop : expected a whole',
    ],
    ['a run whose record is damaged', ['upscale', 'IMAGE', '--run', 'DAMAGED', '--out', 'UP'], 'config.json'],
    [
      'a movement larger than pictures',
      ['train', '--photos', 'scenes', '--misalignment', '1e9', '--out', 'NEVER'],
      "'data.misalignment'",
    ],
    [
      'a run folder in place of weights',
      ['upscale', 'IMAGE', '--weights', 'RUN', '--network', 'seemore', '--out', 'UP'],
      'of a run say --run',
    ],
    [
      'runs in a file',
      ['grid', 'submit', 'table2', '--profile', 'smoke', '--runs', 'BADJSON', '--out', 'NEVER'],
      'bad.json',
    ],
    [
      'a run folder that is a file',
      ['train', '--photos', 'scenes', '--out', 'BADJSON'],
      'a part of the path is a file',
    ],
    ['a config that is not JSON', ['train', '--config', 'BADJSON', '--out', 'NEVER'], 'is not JSON'],
    ['a run that is none', ['evaluate', '--run', 'EMPTY', '--benchmark', 'BENCH'], 'no run here'],
    [
      'an unknown benchmark',
      ['evaluate', '--bicubic', '--benchmark', 'Set55'],
      "no folder or dataset 'Set55'",
    ],
    ['no weights', ['evaluate', '--benchmark', 'BENCH'], 'give either --run'],
    [
      'no camera',
      ['evaluate', '--bicubic', '--benchmark', 'BENCH', '--camera', 'sraw-like'],
      "unknown camera 'sraw-like'",
    ],
    [
      'weights that are none',
      ['upscale', 'IMAGE', '--weights', 'BADJSON', '--network', 'seemore', '--out', 'NEVER'],
      'bad.json',
    ],
    ['an image that is none', ['upscale', 'BADJSON', '--run', 'RUN', '--out', 'UP'], 'bad.json'],
    [
      'an image that is too small',
      ['upscale', 'SMALL', '--run', 'RUN', '--out', 'UP'],
      'needs at least 16x16',
    ],
  ])('leaves with 2 and one sentence for %s, and writes nothing', async (_, args, message) => {
    const places: Record<string, string> = {
      EMPTY: path('empty'),
      NEVER: path('never'),
      BENCH: path('bench'),
      BADKEY: path('badkey.json'),
    };
    Object.assign(places, {
      BADJSON: path('bad.json'),
      NOPROCESS: path('no-process.json'),
      DAMAGED: path('damaged'),
      NULLJSON: path('null.json'),
      IMAGE: path('bench', 'a_LR.png'),
      RUN: path('run'),
      UP: path('up3'),
      SMALL: path('small.png'),
    });
    rmSync(path('empty'), { recursive: true, force: true });
    writeFileSync(path('bad.json'), '{"recipe":');
    writeFileSync(path('null.json'), 'null');
    writeFileSync(path('no-process.json'), '{"process":null}');
    mkdirSync(path('damaged'), { recursive: true });
    writeFileSync(path('damaged', 'config.json'), 'null');
    writeFileSync(
      path('badkey.json'),
      JSON.stringify({ data: { kind: 'scenes', preset: 'aligned' }, recipe: { bach: 1 } }),
    );
    await writeImage(path('small.png'), blankImage(12, 12));
    mkdirSync(path('empty'));
    const { code, out, err } = await mimicsr(...args.map((a) => places[a] ?? a));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
    expect(existsSync(path('never'))).toBe(false);
    expect(existsSync(path('up3')) ? readdirSync(path('up3')) : []).toEqual([]);
  });

  it('refuses a batch that no memory holds', async () => {
    const sizes = ['--batch', '1000000000', '--patch', '16', '--iterations', '1'];
    const { code, err } = await mimicsr('train', '--photos', 'scenes', ...sizes, '--out', path('huge'));
    expect(code).toBe(2);
    expect(err).toMatch(/batch 1000000000 of patch 16: no memory for a batch of \d+ GiB/);
  });

  it('upscales the other pictures where one fails', async () => {
    const { code, out, err } = await mimicsr(
      'upscale',
      path('bad.json'),
      path('bench', 'a_LR.png'),
      '--run',
      path('run'),
      '--out',
      path('up4'),
    );
    expect({ code, out }).toEqual({ code: 2, out: `${path('up4', 'a_LR_x4.png')}\n` });
    expect(err).toContain('bad.json');
  });
});
