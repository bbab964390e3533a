import { describe, expect, it } from 'vitest';
import { PairStore, type Pictures } from '../../src/data/pair-store';

/** Pictures of 2x2 and 8x8, filled with `value` and one more. */
function pictures(value: number): Pictures {
  const fill = (side: number, v: number): Pictures['lr'] => ({
    width: side,
    height: side,
    data: new Uint8Array(side * side * 3).fill(v),
  });
  return { lr: fill(2, value), hr: fill(8, value + 1) };
}

describe('a store of pairs', () => {
  it('loads a pair once for all who ask at the same time, and gives it to who asks later', async () => {
    const store = PairStore.create(3, 10_000);
    let loads = 0;
    const load = async (): Promise<Pictures> => {
      loads++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return pictures(7);
    };
    const other = new PairStore(store.shared); // as another thread sees it
    const got = await Promise.all([store.get(1, load), other.get(1, load), store.get(1, load)]);
    for (const one of [...got, await other.get(1, load)]) expect(one).toEqual(pictures(7));
    expect(loads).toBe(1);
    expect(await store.get(0, () => Promise.resolve(pictures(1)))).toEqual(pictures(1));
    expect(await other.get(1, load)).toEqual(pictures(7));
  });

  it('loads again what failed: who waited tries next', async () => {
    const store = PairStore.create(1, 10_000);
    const failing = store.get(
      0,
      () => new Promise((_, reject) => setTimeout(() => reject(new Error('no')), 20)),
    );
    const waiting = store.get(0, () => Promise.resolve(pictures(3)));
    await expect(failing).rejects.toThrow('no');
    expect(await waiting).toEqual(pictures(3));
  });

  it('keeps what fits and loads the rest at each use', async () => {
    const store = PairStore.create(4, 2 * 256); // two pairs of 204 bytes
    const loads = [0, 0, 0, 0];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) {
        const load = (): Promise<Pictures> => Promise.resolve((loads[i]++, pictures(10 * i)));
        expect(await store.get(i, load)).toEqual(pictures(10 * i));
      }
    }
    expect(loads).toEqual([1, 1, 3, 3]);
  });
});
