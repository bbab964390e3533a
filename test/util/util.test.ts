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
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { nearest, unknownName } from '../../src/util/errors';
import { duration } from '../../src/util/progress';
import { Random } from '../../src/util/random';
import { parseWith } from '../../src/util/schema';
import { writeFileAtomic } from '../../src/util/write-file';

describe('Random', () => {
  it('gives one stream for one path and others for others', () => {
    const draw = (...path: (string | number)[]): number[] => {
      const r = new Random(1, ...path);
      return Array.from({ length: 4 }, () => r.uint32());
    };
    expect(draw('a', 1)).toEqual(draw('a', 1));
    const streams = [draw('a', 1), draw('a', 2), draw('a', '1'), draw('a1'), draw('b', 1), draw(1, 'a')];
    expect(new Set(streams.map(String)).size).toBe(streams.length);
  });

  it('is uniform: mean, variance and every bit', () => {
    const r = new Random(2);
    const n = 200_000;
    let [sum, squares] = [0, 0];
    const bits = new Array<number>(32).fill(0);
    for (let i = 0; i < n; i++) {
      const u = r.uniform();
      sum += u;
      squares += u * u;
      const b = r.uint32();
      for (let k = 0; k < 32; k++) bits[k] += (b >>> k) & 1;
    }
    expect(sum / n).toBeCloseTo(1 / 2, 2);
    expect(squares / n - (sum / n) ** 2).toBeCloseTo(1 / 12, 3);
    for (const count of bits) expect(Math.abs(count / n - 0.5)).toBeLessThan(0.006);
  });

  it('is normal: the first four moments; truncated stays inside', () => {
    const r = new Random(3);
    const n = 200_000;
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const x = r.normal();
      for (let k = 0; k < 4; k++) moments[k] += x ** (k + 1) / n;
    }
    [0, 1, 0, 3].forEach((m, k) => expect(Math.abs(moments[k] - m)).toBeLessThan(0.05));
    for (let i = 0; i < 1000; i++) expect(Math.abs(r.truncatedNormal(0, 2, -1, 1))).toBeLessThanOrEqual(1);
  });

  it('is log-uniform: as often in one decade as in the next; equal ends draw nothing', () => {
    const [r, beside] = [new Random(5), new Random(5)];
    expect(r.logUniform(3, 3)).toBe(3);
    expect(r.uint32()).toBe(beside.uint32());
    const values = Array.from({ length: 10_000 }, () => r.logUniform(1e-3, 10));
    for (const low of [1e-3, 1e-2, 0.1, 1]) {
      const share = values.filter((v) => v >= low && v < 10 * low).length / values.length;
      expect(Math.abs(share - 0.25)).toBeLessThan(0.02);
    }
  });

  it('draws integers from both ends and permutations that are fair', () => {
    const r = new Random(4);
    const seen = new Set(Array.from({ length: 200 }, () => r.integer(-2, 2)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
    const first = new Array<number>(5).fill(0);
    for (let i = 0; i < 5000; i++) {
      const p = r.permutation(5);
      expect([...p].sort()).toEqual([0, 1, 2, 3, 4]);
      first[p[0]]++;
    }
    for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe('writing a file', () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-write-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('makes missing folders, replaces what was there, and leaves nothing else', () => {
    const path = join(root, 'a', 'b', 'file.txt');
    writeFileAtomic(path, 'one');
    writeFileAtomic(path, [Buffer.from('tw'), Buffer.from('o')]);
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(join(root, 'a', 'b'))).toEqual(['file.txt']);
  });

  it('that fails leaves the target as it was and no temporary file', () => {
    const path = join(root, 'folder');
    mkdirSync(join(path, 'full'), { recursive: true });
    writeFileSync(join(path, 'full', 'x'), '');
    expect(() => writeFileAtomic(join(path, 'full'), 'data')).toThrow();
    expect(readdirSync(path)).toEqual(['full']);
    expect(existsSync(join(path, 'full', 'x'))).toBe(true);
  });
});

describe('messages', () => {
  it('suggest the nearest name, if it is near', () => {
    expect(nearest('swinr', ['rrdbnet', 'swinir'])).toBe('swinir');
    expect(nearest('unet', ['rrdbnet', 'swinir'])).toBeUndefined();
    expect(unknownName('engine', 'tourch', ['torch', 'cpu']).message).toBe(
      "unknown engine 'tourch': expected one of torch, cpu (did you mean 'torch'?)",
    );
  });

  it('name the key of plain data that is at fault, through nested and alternative schemas', () => {
    const schema = z.strictObject({
      a: z.strictObject({ batch: z.int().min(1).default(1) }).prefault({}),
      d: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('x'), file: z.string() }),
        z.strictObject({ kind: z.literal('y') }),
      ]),
    });
    const parse = (value: unknown) => () =>
      parseWith(schema as unknown as z.ZodType<unknown>, value, 'settings');
    expect(parse({ d: { kind: 'y' } })()).toEqual({ a: { batch: 1 }, d: { kind: 'y' } });
    expect(parse({ a: { bach: 2 }, d: { kind: 'y' } })).toThrow(
      "unknown key in a of settings 'bach': expected one of batch",
    );
    expect(parse({ a: { batch: 0 }, d: { kind: 'y' } })).toThrow(
      "settings: key 'a.batch': Too small: expected number to be >=1, found 0",
    );
    expect(parse({ d: { kind: 'x', fil: '' } })).toThrow(
      "d of settings 'fil': expected one of kind, file (did you mean 'file'?)",
    );
    expect(parse(3)).toThrow('settings: expected object, received number, found 3');
  });

  it('say durations in words', () => {
    expect([12.4, 200, 7500].map(duration)).toEqual(['12 s', '3 min 20 s', '2 h 5 min']);
  });
});
