/** Mutated pictures, manifests, configurations, run records and results (`fuzz.ts`). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { parseManifest } from '../../src/data/manifests';
import { drawScene } from '../../src/data/scenes';
import { readResults, writeResults } from '../../src/experiments/store';
import { encodeImage, readImage, readImageSize, type ImageFormat } from '../../src/image/file';
import { trainingConfig } from '../../src/train/config';
import { readRunRecord } from '../../src/train/run-record';
import { InputError } from '../../src/util/errors';
import { PACKAGE_ROOT } from '../../src/util/versions';
import { resultRow } from '../experiments/result-row';
import { fuzz } from './fuzz';
import { mutate } from './mutate';

const folder = mkdtempSync(join(tmpdir(), 'mimicsr-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const MIB = 2 ** 20;

/** Readers of files: the bytes are put into one first. */
const fromFile =
  (ending: string, read: (path: string) => unknown) =>
  (bytes: Buffer): unknown => {
    const path = join(folder, `mutated.${ending}`);
    writeFileSync(path, bytes);
    return read(path);
  };

const JSON_TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  'null',
  '-1',
  '1e999',
  '0.5',
  '"name"',
  '{}',
  '"__proto__":1,',
];
const CSV_TOKENS = [',', '"', '""', '\n', '\r\n', ';', '\ufeff', 'NaN', '1e999'];

const CONFIG = {
  network: { name: 'seemore' },
  process: {
    name: 'mimic',
    options: { flow: 'small', colour: 'cielab', lambda: 0.5, corrections: { grid: true } },
  },
  data: { kind: 'scenes', preset: 'srraw-like', count: 4 },
  recipe: { patch: 24, batch: 2, iterations: 100, betas: [0.9, 0.99], clip: null, seed: 7 },
};
const RECORD = {
  ...trainingConfig(CONFIG),
  engine: { name: 'wasm', detail: 'test' },
  versions: { mimicsr: '0.1.0', node: 'v20', commit: 'unknown' },
  provenance: { pairs: 'scenes', pairsSha256: 'ab', parameters: 3, adds: { trained: {}, frozen: {} } },
};

describe('A configuration', () => {
  const whole = Buffer.from(JSON.stringify(CONFIG));
  fuzz('JSON of a training', {
    mutated: (random) => mutate(whole, random, JSON_TOKENS),
    read: (bytes) => {
      let value: unknown;
      try {
        value = JSON.parse(bytes.toString());
      } catch (error) {
        throw new InputError('not JSON', { cause: error }); // the command says so, with the file's name
      }
      trainingConfig(value);
    },
  });
  const record = Buffer.from(JSON.stringify(RECORD));
  fuzz("a run's record", {
    mutated: (random) => mutate(record, random, JSON_TOKENS),
    read: fromFile('json', readRunRecord),
    share: 0.3,
  });
});

describe('A manifest', () => {
  for (const name of ['RealSR-V3', 'niqe-pristine']) {
    const whole = readFileSync(join(PACKAGE_ROOT, 'data-manifests', `${name}.json`));
    fuzz(name, {
      mutated: (random) => mutate(whole, random, JSON_TOKENS),
      read: (bytes) => parseManifest(bytes.toString(), `${name}.json`),
    });
  }
});

describe('A results file', () => {
  const path = join(folder, 'whole.csv');
  writeResults(path, [resultRow(), resultRow({ metric: 'ssimY', value: 0.75, seed: null })]);
  const whole = readFileSync(path);
  fuzz('CSV of scores', {
    mutated: (random) => mutate(whole, random, CSV_TOKENS),
    read: fromFile('csv', readResults),
    share: 0.3,
  });
});

describe.each(['png', 'jpeg', 'webp', 'tiff'] as const)('A %s picture', (format: ImageFormat) => {
  const whole = encodeImage(drawScene('fuzz', 24, 16), format);
  let bytes: Buffer;
  const ready = whole.then((encoded) => (bytes = encoded));
  const target = (read: (path: string) => unknown, end?: number) => ({
    mutated: (random: Parameters<typeof mutate>[1]) =>
      Buffer.concat([mutate(bytes.subarray(0, end), random), bytes.subarray(end ?? bytes.length)]),
    read: fromFile(format, read),
    share: 0.2,
  });
  beforeAll(() => ready);
  fuzz(`${format} header`, target(readImageSize, 128));
  // What a picture decodes to is larger than its file, by any factor: libvips bounds it by its pixels.
  fuzz(`${format} file`, { ...target(readImage), memory: 1024 * MIB });
});
