/** The live training in the real kernel: what the front end is sent, and what an interrupt leaves. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/util/versions';
import { KernelClient, type Outcome } from '../jupyter/client';

const SETTINGS = (iterations: number): string => `{
  network: { name: 'seemore' }, process: { name: 'mimic', options: mimicsr.mimicCorrected() },
  data: { kind: 'scenes', preset: 'srraw-like', count: 1 },
  recipe: { iterations: ${iterations}, batch: 1, patch: 24, checkpointEvery: 1000, logEvery: 1 },
}`;

const plain = ({ outputs }: Outcome): string[] =>
  outputs.flatMap((m) =>
    'data' in m.content ? (m.content.data as Record<string, string>)['text/plain'] : [],
  );

describe.skipIf(!existsSync(join(PACKAGE_ROOT, 'dist', 'notebook', 'index.js')))(
  'a live training (npm run build)',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'live-'));
    let client: KernelClient;
    beforeAll(async () => {
      client = await KernelClient.start(folder);
      await client.run(
        `import * as mimicsr from 'mimicsr';\nimport { liveTraining } from 'mimicsr/notebook';\nprocess.chdir('${folder}');`,
      );
    });
    afterAll(async () => {
      await client.shutdown();
      rmSync(folder, { recursive: true });
    });

    it('is redrawn in place, stops at an interrupt with a checkpoint, and goes on from there', async () => {
      const cell = `const run = await liveTraining(${SETTINGS(500)}, { folder: 'run' });\nconsole.log(run.step);`;
      const id = await client.submit(cell);
      const drawn = await client.until((m) => m.parent === id && m.type === 'update_display_data');
      expect(drawn).toBeDefined();
      client.interrupt();
      const stopped = await client.outcome(id);
      expect(stopped.reply.status).toBe('ok');
      expect(plain(stopped).at(-1)).toMatch(
        /^stopped after \d+ of 500 iterations.*run the cell again to go on$/,
      );
      expect(plain(stopped)).toContain('figure: seemore, mimic: loss');
      expect(plain(stopped).some((text) => /^LR, SR and HR, 808x/.test(text))).toBe(true); // LR, mimicked LR, SR, HR
      const step = Number(/stopped after (\d+)/.exec(plain(stopped).at(-1)!)![1]);
      const lines = readFileSync(join(folder, 'run', 'log.jsonl'), 'utf8')
        .trim()
        .split('\n');
      expect(lines).toHaveLength(step);
      expect(existsSync(join(folder, 'run', 'checkpoint.safetensors'))).toBe(true);

      const again = await client.submit(cell.replace('const run', 'const more'));
      await client.until((m) => m.parent === again && m.type === 'display_data');
      client.interrupt();
      expect(plain(await client.outcome(again)).at(-1)).toMatch(
        new RegExp(`stopped after (${step}|${step + 1}|${step + 2}|${step + 3}) of 500`),
      );
    });
  },
);
