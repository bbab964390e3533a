import type { ResultRow } from '../../src/experiments/store';

/** A score as a run would store it. */
export function resultRow(change: Partial<ResultRow> = {}): ResultRow {
  return {
    experiment: 'seemore-l1-srraw-like-s1-00000000',
    network: 'SeeMoRe',
    process: 'L1',
    trainedOn: 'srraw-like camera on 199 photographs, "quoted", of BSDS500',
    options: '{"a":[1,2]}',
    seed: 1,
    iterations: 600,
    batch: 8,
    patch: 32,
    benchmark: 'Set5',
    lr: 'bicubic',
    metric: 'psnrY',
    protocol: 'luma, crop 4',
    value: 27.123456789,
    images: 5,
    engine: 'torch: libtorch',
    secondsPerStep: null,
    pairsSha256: 'abc',
    commit: 'c0ffee',
    scoredAt: 'c0ffee',
    finished: '2026-01-01T00:00:00.000Z',
    ...change,
  };
}

/** A score without what says when and how fast it was made. */
export function timeless(row: ResultRow): ResultRow {
  return { ...row, secondsPerStep: 0, finished: '' };
}
