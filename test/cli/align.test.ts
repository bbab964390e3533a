import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photograph } from '../../src/data/camera';
import { CAMERA_PRESETS, drawCamera } from '../../src/data/camera-presets';
import { drawScene } from '../../src/data/scenes';
import { readImage, writeImage } from '../../src/image/file';
import { alignPair, type AlignedPair } from '../../src/mimic/align-pair';
import { mimicConfig, mimicThroughCamera, type MimicConfig } from '../../src/mimic/config';
import { measureAlignment } from '../../src/mimic/measure-alignment';
import { MimicModule } from '../../src/mimic/module';
import { loadFlowEstimator } from '../../src/flow/estimators';
import { saveWeights } from '../../src/train/checkpoint';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine } from '../engines';
import { mimicsr } from './run';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-align-'));
const [lrPath, hrPath, weights] = ['lr.png', 'hr.png', 'module.safetensors'].map((name) => join(root, name));
const options = {
  flow: 'small',
  colour: 'cielab',
  corrections: { grid: true, warp: true, mean: true, noise: true },
};

describe('mimicsr align', () => {
  let shot: Awaited<ReturnType<typeof photograph>>;
  beforeAll(async () => {
    await startTestEngine();
    const camera = drawCamera(CAMERA_PRESETS['srraw-like'], new Random(2, 'camera'));
    shot = await photograph(drawScene('align', 256, 256), camera, new Random(2, 'shot'));
    await writeImage(lrPath, shot.lr);
    await writeImage(hrPath, shot.hr);
    const module = new MimicModule({ guidance: true }).initialise(1);
    const origin = { process: 'mimic', step: '1', options: JSON.stringify(options) };
    saveWeights(weights, await module.stateDict(), origin);
    module.dispose();
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('shows mimicked LR, warped LR and error maps, and states the numbers', async () => {
    const out = join(root, 'out');
    const { code, out: text } = await leavesNoTensors(() =>
      mimicsr('align', lrPath, hrPath, '--module', weights, '--out', out, '--json'),
    );
    expect(code).toBe(0);
    const { measures } = JSON.parse(text) as { measures: { picture: string; absolute: number }[] };
    expect(measures.map((m) => m.picture)).toEqual(['lr', 'warped', 'mimicked']);
    for (const name of ['lr', 'warped', 'mimicked']) {
      expect((await readImage(join(out, `${name}.png`))).width).toBe(64);
      expect(existsSync(join(out, `error-${name}.png`))).toBe(true);
    }
    expect((await readImage(join(out, 'overview.png'))).width).toBeGreaterThan(4 * 256);
  });

  it('does not write over the pictures that it reads', async () => {
    const before = readFileSync(lrPath);
    const { code, err } = await mimicsr('align', lrPath, hrPath, '--module', weights, '--out', root);
    expect(code).toBe(2);
    expect(err).toContain(`--out: ${lrPath} is the picture that was read`);
    expect(readFileSync(lrPath).equals(before)).toBe(true);
    expect(existsSync(join(root, 'overview.png'))).toBe(false);
  });

  it('the flow brings the LR nearer to the truth than it lies, and patches cover the picture', async () => {
    const flow = loadFlowEstimator('small');
    const module = new MimicModule({ guidance: true }).initialise(1);
    const config = mimicConfig(options);
    const pair = await alignPair(shot.lr, shot.hr, { module, config, flow, seed: 0, patch: 32 });
    const [lr, warped] = measureAlignment(pair, shot);
    expect(warped.endPoint!).toBeLessThan(0.6 * lr.endPoint!);
    expect(warped.misalignment).toBeLessThan(lr.misalignment);
    expect([pair.mimicked.width, pair.mimicked.height]).toEqual([64, 64]);
    module.dispose();
    flow.dispose();
  });

  it('shows recoloured what a recolouring training compares with, and finished what the SR network gets', async () => {
    const flow = loadFlowEstimator('small');
    const module = new MimicModule({ guidance: true, lens: true }).initialise(1);
    const both = mimicConfig(mimicThroughCamera());
    const align = (config: MimicConfig): Promise<AlignedPair> =>
      alignPair(shot.lr, shot.hr, { module, config, flow, seed: 0 });
    const [finished, plain] = [await align(both), await align({ ...both, finish: undefined })];
    const measures = measureAlignment(finished, shot);
    expect(measures.map(({ picture }) => picture)).toEqual(['lr', 'warped', 'recoloured', 'mimicked']);
    const [lr, warped, recoloured, mimicked] = measures;
    expect(warped.colour).toBeGreaterThan(lr.colour / 2);
    expect(recoloured.colour).toBeLessThan(warped.colour / 2);
    expect(mimicked.noise).toBeGreaterThan(measureAlignment(plain, shot)[3].noise);
    module.dispose();
    flow.dispose();
  });

  it.each([
    [['--module', weights, '--run', root], /give either --run FOLDER or --module FILE/],
    [['--module', join(root, 'none.pth')], /no run folder or weights file .*none\.pth/],
    [['--module', weights, '--mode', 'corrected'], /--mode: .* says itself how it was trained/],
    [['--module', weights, '--patch', '99'], /LR is 64x64: expected at least the patch, 99x99/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, err } = await mimicsr('align', lrPath, hrPath, ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('refuses an HR that is not 4 times the LR', async () => {
    const { code, err } = await mimicsr('align', hrPath, hrPath, '--module', weights);
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/HR is 256x256: expected 4 times the LR, 1024x1024/),
    ]);
  });
});
