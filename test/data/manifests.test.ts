import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkLayout, matchTemplate } from '../../src/data/layout';
import {
  findManifest,
  manifests,
  parseManifest,
  type Archive,
  type SetManifest,
} from '../../src/data/manifests';
import { PACKAGE_ROOT } from '../../src/util/versions';

const files = readdirSync(join(PACKAGE_ROOT, 'data-manifests'));
const read = (file: string): string => readFileSync(join(PACKAGE_ROOT, 'data-manifests', file), 'utf8');
const sets = manifests().filter((m): m is SetManifest => m.kind === 'dataset');

describe('the data manifests', () => {
  it.each(files)('%s is valid', (file) => {
    const manifest = parseManifest(read(file), file);
    expect(`${manifest.name}.json`).toBe(file);
  });

  it('are all there: the paper’s sets, its weights and the metrics’', () => {
    const names = manifests().map((m) => m.name);
    expect(names).toEqual(
      expect.arrayContaining([
        ...[
          'RealSR-V1',
          'RealSR-V2',
          'RealSR-V3',
          'SR-RAW',
          'Set5',
          'Set14',
          'BSD100',
          'Urban100',
          'Manga109',
        ],
        ...[
          'DIV2KRK',
          'DIV2K',
          'BSDS500',
          'pwc-net',
          'raft-small',
          'cdnet',
          'vgg19',
          'niqe-pristine',
          'nrqm',
        ],
        ...['mimic-rrdbnet', 'mimic-swinir', 'mimic-dat', 'mimic-seemore', 'rrdb-psnr-x4', 'swinir-light-x4'],
        ...['dat-light-x4', 'seemore-t-x4'],
      ]),
    );
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
    expect(findManifest('set5').name).toBe('Set5');
    expect(() => findManifest('Set55')).toThrow("did you mean 'Set5'?");
  });

  it('say the same of an archive that several sets come from', () => {
    const seen = new Map<string, object>();
    for (const archive of sets.flatMap((set): Archive[] => set.archives)) {
      const shared = { ...archive, from: undefined, to: undefined };
      expect(shared, archive.file).toEqual(seen.get(archive.file) ?? shared);
      seen.set(archive.file, shared);
    }
    expect(sets.flatMap((set) => set.archives).length).toBeGreaterThan(seen.size);
  });

  it('use placeholders alike for HR and LR, so that pairs can be found', () => {
    const names = (template?: string): string[] => [...new Set(template?.match(/\{\w+\}/g))].sort();
    for (const { name, layout } of sets) {
      if (layout.lr !== undefined) expect(names(layout.lr), name).toEqual(names(layout.hr));
    }
  });

  it('are what the messages of missing weights name', () => {
    const sources = readdirSync(join(PACKAGE_ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(PACKAGE_ROOT, 'src', file), 'utf8'));
    const mention = /data fetch ([a-z][\w-]*\w)|missingWeights\([^;]*?'([a-z][\w-]*\w)'/g;
    const named = sources.flatMap((text) => [...text.matchAll(mention)].map((m) => m[1] ?? m[2]));
    expect(named).toEqual(expect.arrayContaining(['pwc-net', 'raft-small', 'cdnet']));
    for (const name of named) expect(() => findManifest(name), name).not.toThrow();
  });

  it('are sorted by use in the README as they stand', () => {
    const readme = readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8');
    for (const use of ['free', 'non-commercial', 'on request', 'unstated']) {
      const row = new RegExp(`^\\| ${use} .*\\| ([^|]+) \\|$`, 'm').exec(readme)?.[1];
      const names = manifests()
        .filter((m) => m.licence.use === use)
        .map((m) => m.name);
      expect(row?.trim().split(', ').sort(), use).toEqual(names.sort());
    }
  });
});

describe('a manifest', () => {
  const valid = JSON.parse(read('Set5.json')) as Record<string, unknown>;
  const weights = JSON.parse(read('vgg19.json')) as Record<string, unknown>;
  const parse = (value: object) => () => parseManifest(JSON.stringify(value), 'x.json');
  const archive = (change: object) => ({
    ...valid,
    archives: [{ ...(valid.archives as object[])[0], ...change }],
  });

  it.each<[string, object, string]>([
    ['an unknown key', { ...valid, licens: 1 }, "unknown key in x.json 'licens'"],
    ['a missing key', { ...valid, citation: undefined }, "x.json: key 'citation': expected string"],
    ['another kind', { ...valid, kind: 'model' }, "x.json: key 'kind'"],
    [
      'a short checksum',
      archive({ md5: 'abc' }),
      'key \'archives.0.md5\': expected 32 hexadecimal digits, found "abc"',
    ],
    [
      'an address that is none',
      archive({ sources: [{ url: 'ftp://x/y' }] }),
      'expected an http or https address',
    ],
    [
      'two addresses in one source',
      archive({ sources: [{ url: 'http://x/y', drive: 'A'.repeat(30) }] }),
      'either url or drive',
    ],
    ['no source', archive({ sources: [] }), "key 'archives.0.sources'"],
    ['a path that leads out', archive({ to: '../x' }), 'expected a relative path without . and ..'],
    ['a file that is a path', archive({ file: 'a/b.zip' }), 'expected a file name'],
    [
      'nothing to download and no words',
      { ...valid, archives: [], manual: undefined },
      "('manual'), found neither",
    ],
    [
      'counts of nothing',
      { ...valid, counts: [{ of: 'raw', files: 1 }] },
      "counts 'raw', which is not in its layout",
    ],
    [
      'a download that is none of its files',
      { ...weights, files: ['vgg.pth'] },
      "found 'vgg.pth' there and 'vgg19-dcbb9e9d.pth'",
    ],
  ])('with %s is refused', (_, value, message) => {
    expect(parse(value)).toThrow(message);
  });

  it('that is not JSON is refused', () => {
    expect(() => parseManifest('{', 'x.json')).toThrow('x.json is not JSON');
  });
});

describe('layouts', () => {
  it('find files and what their placeholders stand for', () => {
    const template = '{camera}/{split}/4/{camera}_{n}_HR.png';
    const paths = [
      'Canon/Test/4/Canon_001_HR.png',
      'Canon/Test/4/Nikon_001_HR.png',
      'Canon/Test/4/Canon_001_LR4.png',
    ];
    expect([...matchTemplate(template, paths)]).toEqual([
      [paths[0], { camera: 'Canon', split: 'Test', n: '001' }],
    ]);
    expect(matchTemplate('a.{ending}', ['aXpng', 'a.png', 'b/a.png']).size).toBe(1);
  });

  const set = findManifest('RealSR-V3') as SetManifest;
  const pairs = (camera: string, split: string, count: number): string[] =>
    Array.from(
      { length: count },
      (_, i) => `${camera}/${split}/4/${camera}_${String(i + 1).padStart(3, '0')}`,
    ).flatMap((stem) => [`${stem}_HR.png`, `${stem}_LR4.png`]);

  it('report counts that differ from the stated ones', () => {
    const paths = [
      ...pairs('Canon', 'Test', 50),
      ...pairs('Nikon', 'Test', 49),
      ...pairs('Canon', 'Train', 7),
    ];
    expect(checkLayout(set, paths, 'here')).toEqual([
      'expected 50 Nikon Test hr files, found 49',
      'expected 50 Nikon Test lr files, found 49',
    ]);
  });

  it('refuse what is laid out otherwise, with the first ten names', () => {
    const paths = Array.from({ length: 12 }, (_, i) => `img_${i}_HR.png`);
    expect(() => checkLayout(set, paths, 'here')).toThrow(
      /here is not laid out as RealSR-V3: expected hr files \{camera\}.*, found img_0_HR.png, .* img_9_HR.png and 2 more/,
    );
    expect(() => checkLayout(set, [], 'here')).toThrow('found nothing');
  });
});
