import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stepTimes } from '../../src/experiments/step-times';

describe('Step times', () => {
  const folder = mkdtempSync(join(tmpdir(), 'times-'));
  const path = join(folder, 'processes.jsonl');
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are the bench's, as multiples of L1's, by the names of tables", () => {
    const line = (name: string, ratio: number): string =>
      JSON.stringify({ name: `processes/${name}`, kit_s: 1, ratio });
    writeFileSync(path, `${line('seemore:mimic', 0.5)}\n${line('seemore:pseudo-gt/dam', 0.25)}\n`);
    const times = stepTimes(path);
    expect(times('SeeMoRe', 'Ours')).toBe(2);
    expect(times('SeeMoRe', 'L1')).toBe(1);
    expect(times('SeeMoRe', 'Pseudo GT')).toBeUndefined(); // its stages are no step of the SR network
    expect(times('SwinIR', 'Ours')).toBeUndefined();
  });

  it('say what measures them where they are missing, and which line is none', () => {
    expect(() => stepTimes(join(folder, 'none.jsonl'))).toThrow(/no step times at .*npm run bench/);
    for (const bad of [
      '{"name":"conv/forward","ratio":1}',
      'seemore',
      '{"name":"processes/a:b","ratio":0}',
    ]) {
      writeFileSync(path, `\n${bad}\n`);
      expect(() => stepTimes(path)).toThrow(/processes\.jsonl: line 2 is not one of/);
    }
  });
});
