import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { madePairs, type MadePairsOptions, type PairMaker } from '../../src/data/made-pairs';
import { imageOf, type Pair, type PairSet } from '../../src/data/pairs';
import type { Image } from '../../src/image/image';
import { silentProgress } from '../../src/util/progress';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';

/** Three pairs of noise; `change` alters one value of one picture. */
function noisePairs(change?: 'lr' | 'hr'): PairSet {
  const pairs = [0, 1, 2].map((i): Pair => {
    const random = new Random('made-pairs', i);
    const picture = (side: number): Uint8Array =>
      Uint8Array.from({ length: side * side * 3 }, () => random.integer(0, 255));
    const [lr, hr] = [picture(4), picture(16)];
    if (i === 1 && change !== undefined) ({ lr, hr })[change][7] ^= 1;
    return {
      name: `noise-${i}`,
      lr: { width: 4, height: 4, data: lr },
      hr: { width: 16, height: 16, data: hr },
    };
  });
  return {
    description: '3 noise pairs',
    size: 3,
    load: (index) => Promise.resolve(pairs[index]),
    fingerprint: () => 'noise',
  };
}

/** Turns the HR upside down, and remembers which it turned. */
function turner(identity = 'turner'): PairMaker & { made: string[] } {
  const made: string[] = [];
  return {
    what: 'turned HR',
    identity,
    made,
    make({ name, hr }): Promise<Image> {
      made.push(name);
      return Promise.resolve({ ...imageOf(hr), data: imageOf(hr).data.reverse() });
    },
  };
}

const ALL = ['noise-0', 'noise-1', 'noise-2'];

describe('Pairs made once and kept', () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-made-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const folder = (name: string): string => join(root, name);

  /** Makes them; which ones had to be made, and the set. */
  const make = async (
    name: string,
    pairs = noisePairs(),
    maker = turner(),
    options: MadePairsOptions = {},
  ): Promise<{ made: string[]; set: PairSet | undefined }> => ({
    set: await madePairs(pairs, folder(name), maker, options),
    made: maker.made,
  });

  it('hold the LR as it was and the new HR, in the order of the set', async () => {
    const { made, set } = await make('first');
    expect(made).toEqual(ALL);
    expect(set!.description).toBe('turned HR of 3 noise pairs');
    expect(set!.size).toBe(3);
    for (const i of [0, 1, 2]) {
      const [pair, source] = [await set!.load(i), await noisePairs().load(i)];
      expect(pair.name).toBe(source.name);
      expect(pair.lr).toEqual({ ...source.lr, data: Uint8Array.from(source.lr.data) });
      const turned = imageOf(source.hr).data.reverse();
      expect([...imageOf(pair.hr).data]).toEqual([...turned]);
    }
    expect((await make('first')).set!.fingerprint()).toBe(set!.fingerprint());
  });

  it('are not made again', async () => {
    expect((await make('twice')).made).toEqual(ALL);
    expect((await make('twice')).made).toEqual([]);
  });

  it.each(['lr', 'hr'] as const)(
    'are made again for a pair whose %s has changed, and only for that',
    async (which) => {
      await make(`changed-${which}`);
      const { made, set } = await make(`changed-${which}`, noisePairs(which));
      expect(made).toEqual(['noise-1']);
      const source = await noisePairs(which).load(1);
      const pair = await set!.load(1);
      expect([...pair.lr.data]).toEqual([...source.lr.data]);
      expect([...imageOf(pair.hr).data]).toEqual([...imageOf(source.hr).data.reverse()]);
    },
  );

  it('are made again by another maker', async () => {
    await make('other');
    expect((await make('other', noisePairs(), turner('another'))).made).toEqual(ALL);
  });

  it.each([
    ['a damaged HR', '.hr.png', (path: string): void => flip(path)],
    ['a damaged LR', '.lr.png', (path: string): void => flip(path)],
    ['a cut HR', '.hr.png', (path: string): void => writeFileSync(path, readFileSync(path).subarray(0, 60))],
    ['a missing HR', '.hr.png', (path: string): void => rmSync(path)],
    ['a broken entry', '.json', (path: string): void => writeFileSync(path, '{')],
    ['an entry of other pictures', '.json', (path: string): void => writeFileSync(path, '{"sha256":{}}')],
  ])('are made again in place of %s', async (what, ending, damage) => {
    const { set } = await make(what);
    const before = set!.fingerprint();
    const victim = readdirSync(folder(what)).find((name) => name.endsWith(ending))!;
    damage(join(folder(what), victim));
    const again = await make(what);
    expect(again.made).toHaveLength(1);
    expect(again.set!.fingerprint()).toBe(before);
  });

  it('go on where a signal stopped them', async () => {
    const stop = new AbortController();
    const progress: MadePairsOptions['progress'] = (...args) => ({
      ...silentProgress(...args),
      update: (done) => {
        if (done === 2) stop.abort();
      },
    });
    const first = await make('stopped', noisePairs(), turner(), { progress, signal: stop.signal });
    expect(first.set).toBeUndefined();
    expect(first.made).toEqual(['noise-0', 'noise-1']);
    const second = await make('stopped');
    expect(second.made).toEqual(['noise-2']);
    expect(second.set!.size).toBe(3);
  });

  it('never hold a picture that is not one', async () => {
    const broken: PairMaker = {
      ...turner(),
      make: ({ hr }) => Promise.resolve({ ...imageOf(hr), data: imageOf(hr).data.fill(NaN) }),
    };
    await expect(madePairs(noisePairs(), folder('broken'), broken)).rejects.toThrow(InputError);
  });
});

/** Changes one byte in the middle of a file. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)] ^= 0xff;
  writeFileSync(path, bytes);
}
