import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { missingMaterial } from '../../src/experiments/material';
import { openRequest } from '../../src/experiments/request';
import { mimicsr } from '../cli/run';
import { resultRow } from './result-row';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-material-'));
const { plan } = openRequest({ what: 'table2', profile: 'paper' });

describe('What is missing for runs', () => {
  beforeAll(() => void vi.stubEnv('MIMICSR_DATA', root).stubEnv('MIMICSR_SHARED', ''));
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(root, { recursive: true, force: true });
  });

  it('is each named once, with the commands that bring it', () => {
    expect(missingMaterial(plan, [])).toEqual([
      ...['Set5', 'Set14', 'BSD100', 'Urban100', 'Manga109', 'DIV2KRK'].map(
        (name) => `${name}: mimicsr data fetch ${name}`,
      ),
      'RealSR-V3-x4/Canon-train: mimicsr data fetch RealSR-V3, then mimicsr data prepare RealSR-V3',
      ...['pwc-net', 'vgg19', 'raft-small', 'cdnet'].map(
        (name) => `${name} weights: mimicsr data fetch ${name}`,
      ),
    ]);
    const l1 = plan.filter(({ method }) => method === 'L1');
    expect(missingMaterial(l1, []).join()).not.toContain('weights');
  });

  it('is not what is here, nor what is scored', () => {
    const bicubic = plan.slice(0, 1);
    mkdirSync(join(root, 'Set5'));
    const scores = (['psnrY', 'ssimY', 'psnrRgb', 'ssimRgb'] as const).map((metric) =>
      resultRow({ experiment: 'bicubic', benchmark: 'Set14', lr: 'bicubic', metric }),
    );
    expect(missingMaterial(bicubic, scores)[0]).toBe('BSD100: mimicsr data fetch BSD100');
    mkdirSync(join(root, 'weights'));
    writeFileSync(join(root, 'weights', 'cdnet-00014.safetensors'), '');
    expect(missingMaterial(plan, []).join()).not.toContain('cdnet');
  });

  it('is said of a plan, and refused before anything is written', async () => {
    const out = join(root, 'out');
    const request = ['reproduce', 'real', '--networks', 'seemore', '--processes', 'l1', '--out', out];
    const text =
      'the runs need what is not here:\n  RealSR-x4-crops: mimicsr data fetch RealSR-x4-crops\n' +
      '  DRealSR-x4-crops: mimicsr data fetch DRealSR-x4-crops\n';
    const planned = await mimicsr(...request, '--dry-run');
    expect(planned.code).toBe(0);
    expect(planned.out.endsWith(text)).toBe(true);
    const refused = await mimicsr(...request);
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err.endsWith(text)).toBe(true);
    const submitted = await mimicsr('grid', 'submit', ...request.slice(1), '--runs', join(root, 'runs'));
    expect(submitted).toMatchObject({ code: 2, out: '', err: `mimicsr: ${text}` });
    expect(existsSync(out)).toBe(false);
    expect(existsSync(join(root, 'runs'))).toBe(false);
  });
});
