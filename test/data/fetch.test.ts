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
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  acceptLicence,
  fetchData,
  hasAcceptedLicence,
  stepsByHand,
  type FetchOptions,
} from '../../src/data/fetch';
import { importData } from '../../src/data/import';
import type { Manifest, SetManifest, WeightsManifest } from '../../src/data/manifests';
import { dataStatus, verifyData } from '../../src/data/verify';
import { bytes, digest, FaultServer, holds, sendFile } from './fault-server';
import { tarGzOf, zipOf } from './forge-archive';

let root: string;
let server: FaultServer;
const content = new Map<string, Buffer>();

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'mimicsr-fetch-'));
  content.clear();
  server = await FaultServer.start((request, response) => {
    const body = content.get(request.url ?? '');
    if (body === undefined) response.writeHead(404).end();
    else sendFile(request, response, body, { etag: `"${digest('md5', body)}"` });
  });
});
afterEach(async () => {
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

const notes: string[] = [];
const options = (): FetchOptions => ({
  root,
  retries: 0,
  among: [setOf('Five'), setOf('Six')],
  log: (text) => notes.push(text),
});

const [hr, lr] = [bytes(50_000), bytes(5_000)];
const pictures = (folder: string, count = 2) =>
  Array.from({ length: count }, (_, i) => [
    { path: `bench/${folder}/HR/${i}.png`, data: hr },
    { path: `bench/${folder}/LR/${i}x4.png`, data: lr },
  ]).flat();

const COMMON = {
  title: 'A set',
  purpose: 'tests',
  homepage: 'http://example.org',
  citation: 'Nobody 2025',
  licence: { use: 'unstated', terms: 'Research only.' },
} as const;

function setOf(name: string, change: Partial<SetManifest> = {}): SetManifest {
  return {
    kind: 'dataset',
    name,
    ...COMMON,
    archives: [{ file: 'bench.tar.gz', sources: [{ url: server.url('/bench.tar.gz') }], from: name }],
    layout: { hr: 'HR/{name}.png', lr: 'LR/{name}x4.png' },
    storedScale: 4,
    counts: [{ of: 'hr', files: 2 }],
    split: 'test',
    ...change,
  };
}

function weightsOf(change: Partial<WeightsManifest> = {}): WeightsManifest {
  const download = { file: 'net.pth', sources: [{ url: server.url('/net.pth') }] };
  return {
    kind: 'weights',
    name: 'net',
    ...COMMON,
    files: ['net.pth', 'net.safetensors'],
    download,
    ...change,
  };
}

async function accepted<T extends Manifest>(manifest: T): Promise<T> {
  await acceptLicence(manifest, root);
  return manifest;
}

const inRoot = (...parts: string[]): string => join(root, ...parts);
const listing = (folder: string): string[] =>
  readdirSync(inRoot(folder), { recursive: true, encoding: 'utf8' }).sort();

describe('fetching a set', () => {
  beforeEach(() => content.set('/bench.tar.gz', tarGzOf(...pictures('Five'), ...pictures('Six', 3))));

  it('wants its licence accepted, once', async () => {
    const set = setOf('Five');
    await expect(fetchData(set, options())).rejects.toThrow(
      'Five: its terms have not been accepted (--accept-licence accepts them). unstated: Research only.',
    );
    expect(readdirSync(root)).toEqual([]);
    await acceptLicence(set, root);
    expect(hasAcceptedLicence(set, root)).toBe(true);
    const changed = { ...set, licence: { ...set.licence, terms: 'Pay first.' } };
    expect(hasAcceptedLicence(changed, root)).toBe(false);
  });

  it('downloads, unpacks its part, sums it up, and keeps the archive while another set needs it', async () => {
    const five = await accepted(setOf('Five'));
    expect(await fetchData(five, options())).toEqual({ path: inRoot('Five'), notes: [] });
    expect(listing('Five')).toEqual([
      'HR',
      'HR/0.png',
      'HR/1.png',
      'LR',
      'LR/0x4.png',
      'LR/1x4.png',
      'SHA256SUMS',
    ]);
    expect(readFileSync(inRoot('Five/SHA256SUMS'), 'utf8')).toContain(`${digest('sha256', hr)}  HR/0.png\n`);
    expect(readdirSync(inRoot('downloads'))).toEqual(['bench.tar.gz']);
    expect(notes.at(-1)).toMatch(/kept .*bench.tar.gz for Six/);
    expect(await fetchData(five, options())).toMatchObject({ already: true });

    const six = await accepted(setOf('Six'));
    const { notes: differences } = await fetchData(six, options());
    expect(differences).toEqual(['expected 2 hr files, found 3']);
    expect(server.seen).toHaveLength(1);
    expect(readdirSync(inRoot('downloads'))).toEqual([]);
    expect(readdirSync(root).sort()).toEqual(['Five', 'Six', 'data.lock.json', 'downloads']);
    expect(await verifyData(five, { root })).toMatchObject({ faults: [] });
    expect(dataStatus(five, root)).toMatchObject({ state: 'recorded', bytes: 110_000 });
  });

  it('holds the publisher to what came the first time', async () => {
    const five = await accepted(setOf('Five'));
    await fetchData(five, { ...options(), among: [] });
    rmSync(inRoot('Five'), { recursive: true });
    content.set('/bench.tar.gz', tarGzOf(...pictures('Five')));
    await expect(fetchData(five, options())).rejects.toThrow(
      /sha256: expected \w{64}, found \w{64} \(stated by the first fetch on \d{4}-\d\d-\d\d, recorded in .*data.lock.json\)/,
    );
    expect(existsSync(inRoot('Five'))).toBe(false);
    expect(readdirSync(inRoot('downloads'))).toEqual(['bench.tar.gz.rejected']);
  });

  it('does not trust an archive that lies in the downloads', async () => {
    const five = await accepted(setOf('Five'));
    await fetchData(five, options());
    rmSync(inRoot('Five'), { recursive: true });
    writeFileSync(inRoot('downloads', 'bench.tar.gz'), 'broken');
    await fetchData(five, options());
    expect(await verifyData(five, { root })).toMatchObject({ faults: [] });
    expect(readdirSync(inRoot('downloads'))).toEqual(['bench.tar.gz']);
  });

  it('puts several archives together, where each belongs', async () => {
    content.set('/a', zipOf({ path: 'train/1.png', data: hr }));
    content.set('/b', zipOf({ path: '1.png', data: lr }));
    const part = (file: string, to: string) => ({
      file,
      sources: [{ url: server.url(`/${file}`) }],
      from: 'train',
      to,
    });
    const set = setOf('Two', {
      archives: [part('a', 'train'), part('b', 'test')],
      layout: { photo: '{split}/{n}.png' },
      counts: ['train', 'test'].map((split) => ({ of: 'photo', where: { split }, files: 1 })),
    });
    expect((await fetchData(await accepted(set), options())).notes).toEqual([]);
    expect(listing('Two')).toEqual(['SHA256SUMS', 'test', 'test/1.png', 'train', 'train/1.png']);
  });

  it.each<[string, string, () => Buffer, RegExp]>([
    [
      'another layout',
      'bench.tar.gz',
      () => tarGzOf({ path: 'Five/high/0.png', data: hr }),
      /not laid out as Five: expected hr files HR/,
    ],
    [
      'a path that leads out',
      'bench.tar.gz.rejected',
      () => tarGzOf(...pictures('Five'), { path: '../x', data: hr }),
      /not safe to unpack/,
    ],
    [
      'damage',
      'bench.tar.gz.rejected',
      () => tarGzOf(...pictures('Five')).subarray(0, 90_000),
      /bench.tar.gz/,
    ],
    [
      'a link among its files',
      'bench.tar.gz.rejected',
      () => tarGzOf(...pictures('Five'), { path: 'bench/Five/x.png', type: '2', link: '/etc/hostname' }),
      /x.png is a link or a device/,
    ],
    [
      'no archive at all',
      'bench.tar.gz.rejected',
      () => bytes(1000),
      /expected a zip, tar or tar.gz archive/,
    ],
  ])(
    'leaves nothing in its place where the archive has %s, and only %s of it',
    async (_, left, archive, message) => {
      content.set('/bench.tar.gz', archive());
      const five = await accepted(setOf('Five'));
      await expect(fetchData(five, options())).rejects.toThrow(message);
      expect(readdirSync(root).sort()).toEqual(['data.lock.json', 'downloads']);
      expect(readdirSync(inRoot('downloads'))).toEqual([left]);
      if (left.endsWith('.gz')) return;
      expect(dataStatus(five, root).state).toBe('missing');
      content.set('/bench.tar.gz', tarGzOf(...pictures('Five')));
      await fetchData(five, options()); // what was refused does not bind the next one
    },
  );

  it('does not unpack onto a full disk', async () => {
    let asked = 0;
    const freeBytes = () => (asked++ === 0 ? 1e9 : 1e6);
    const set = await accepted(setOf('Five'));
    await expect(fetchData(set, { ...options(), freeBytes })).rejects.toThrow(
      /Five needs 110 kB unpacked.* 1.00 MB free/,
    );
    expect(readdirSync(root).sort()).toEqual(['data.lock.json', 'downloads']);
  });

  it('says what to do by hand where no source gives it, and where none can', async () => {
    content.clear();
    const page = `download it in a browser: ${server.url('/bench.tar.gz')}`;
    await expect(fetchData(await accepted(setOf('Five')), options())).rejects.toThrow(
      `HTTP 404\nBy hand:\n  1. ${page}\n  2. mimicsr data import Five PATH`,
    );
    const asked = setOf('Asked', { archives: [], manual: ['apply', 'mimicsr data import Asked PATH'] });
    await expect(fetchData(await accepted(asked), options())).rejects.toThrow(
      'Asked cannot be downloaded by a program\nBy hand:\n  1. apply\n  2. mimicsr data import Asked PATH',
    );
    expect(stepsByHand(asked)).toContain('1. apply');
  });
});

describe('fetching weights', () => {
  const net = bytes(30_000);

  it('puts the file where it is looked for', async () => {
    content.set('/net.pth', net);
    const weights = await accepted(weightsOf());
    await fetchData(weights, options());
    expect(holds(inRoot('weights', 'net.pth'), net)).toBe(true);
    expect(readdirSync(inRoot('downloads'))).toEqual([]);
    expect(await verifyData(weights, { root })).toMatchObject({ faults: [] });
    writeFileSync(inRoot('weights', 'net.pth'), 'x');
    const { faults, against } = await verifyData(weights, { root });
    expect(faults).toEqual([expect.stringMatching(/^sha256: expected/)]);
    expect(against).toContain('the first fetch on');
  });

  it('takes it out of an archive, and checks it there', async () => {
    content.set(
      '/nets.zip',
      zipOf({ path: 'models/net.pth', data: net }, { path: 'models/other.pth', data: hr }),
    );
    const download = { file: 'nets.zip', sources: [{ url: server.url('/nets.zip') }] };
    const member = { path: 'models/net.pth', sha256: digest('sha256', net) };
    await fetchData(await accepted(weightsOf({ download: { ...download, member } })), options());
    expect(listing('weights')).toEqual(['net.pth']);
    rmSync(inRoot('weights'), { recursive: true });
    const other = { path: 'models/net.pth', sha256: digest('sha256', hr) };
    const wrong = fetchData(weightsOf({ download: { ...download, member: other } }), options());
    await expect(wrong).rejects.toThrow(/models\/net.pth in .*nets.zip: sha256: expected/);
    const absent = fetchData(
      weightsOf({ download: { ...download, member: { path: 'net.pth' } } }),
      options(),
    );
    await expect(absent).rejects.toThrow(/nets.zip has no net.pth, where net should be/);
    expect(listing('weights')).toEqual([]);
  });
});

describe('importing', () => {
  const given = (...parts: string[]): string => inRoot('given', ...parts);
  beforeEach(() => mkdirSync(given()));
  const write = (path: string, data: Buffer): string => {
    mkdirSync(join(given(path), '..'), { recursive: true });
    writeFileSync(given(path), data);
    return given(path);
  };

  it('takes a set’s folder, also from further down', async () => {
    for (const { path, data } of pictures('Five')) write(path, data);
    const five = await accepted(setOf('Five'));
    expect(await importData(five, given(), options())).toEqual({ path: inRoot('Five'), notes: [] });
    expect(listing('Five')).toContain('HR/1.png');
    expect(await verifyData(five, { root })).toMatchObject({ faults: [] });
    expect(existsSync(given('bench/Five/HR/0.png'))).toBe(true);
    await expect(importData(five, given(), options())).rejects.toThrow('Five exists: move it away');
  });

  it('takes an archive, in another packing too, but not another file under the published name', async () => {
    const five = await accepted(setOf('Five'));
    content.set('/bench.tar.gz', tarGzOf(...pictures('Five')));
    await fetchData(five, { ...options(), among: [] });
    rmSync(inRoot('Five'), { recursive: true });
    const other = write('bench.tar.gz', tarGzOf(...pictures('Five', 3)));
    await expect(importData(five, other, options())).rejects.toThrow(
      /bench.tar.gz is not the published file: sha256/,
    );
    await importData(five, write('mine.zip', zipOf(...pictures('Five'))), options());
    expect(listing('Five')).toContain('LR/1x4.png');
  });

  it('takes the folder that holds the archives of a set that comes in several', async () => {
    const archives = ['a.zip', 'b.zip'].map((file) => ({ file, sources: [{ url: server.url('/') }] }));
    const set = await accepted(setOf('Two', { archives, layout: { hr: '{name}.png' }, counts: [] }));
    const a = write('a.zip', zipOf({ path: '1.png', data: hr }));
    await expect(importData(set, a, options())).rejects.toThrow('Two comes as a.zip, b.zip: give the folder');
    write('b.zip', zipOf({ path: '2.png', data: hr }));
    await importData(set, given(), options());
    expect(listing('Two')).toEqual(['1.png', '2.png', 'SHA256SUMS']);
  });

  it('takes weights under either name, and refuses what is none', async () => {
    const weights = await accepted(weightsOf());
    await importData(weights, write('converted.safetensors', lr), options());
    expect(holds(inRoot('weights', 'net.safetensors'), lr)).toBe(true);
    expect(dataStatus(weights, root)).toMatchObject({
      path: inRoot('weights', 'net.safetensors'),
      state: 'recorded',
    });
    await expect(importData(weights, write('net.onnx', lr), options())).rejects.toThrow(
      'ending in .pth or .safetensors',
    );
    const page = write('page.pth', Buffer.from('<!doctype html><p>Log in'));
    await expect(importData(weights, page, options())).rejects.toThrow('page.pth is a web page');
    await expect(importData(weights, given(), options())).rejects.toThrow(
      'is a folder: expected the file of net',
    );
    await expect(importData(weights, given('no'), options())).rejects.toThrow('no file or folder');
    const pinned = weightsOf({ download: { ...weights.download!, sha256: digest('sha256', hr) } });
    await expect(importData(pinned, write('a.pth', lr), options())).rejects.toThrow(
      'a.pth is not the published file',
    );
    await importData(pinned, write('a.pth', hr), options());
    expect(holds(inRoot('weights', 'net.pth'), hr)).toBe(true);
  });
});

describe('verifying a set', () => {
  it('finds files that changed, are missing or were added, and a list that changed', async () => {
    content.set('/bench.tar.gz', tarGzOf(...pictures('Five', 3)));
    const five = await accepted(setOf('Five'));
    await fetchData(five, options());
    writeFileSync(inRoot('Five/HR/0.png'), 'x');
    rmSync(inRoot('Five/HR/1.png'));
    writeFileSync(inRoot('Five/HR/9.png'), 'x');
    expect((await verifyData(five, { root })).faults).toEqual([
      'HR/0.png has changed',
      'HR/1.png is missing',
      'HR/9.png was not there',
    ]);
    writeFileSync(inRoot('Five/SHA256SUMS'), '');
    expect((await verifyData(five, { root })).faults).toEqual(['SHA256SUMS is not the recorded one']);
  });

  it('that someone else put there looks at its layout', async () => {
    const five = setOf('Five');
    await expect(verifyData(five, { root })).rejects.toThrow('mimicsr data fetch Five');
    expect(dataStatus(five, root)).toEqual({ name: 'Five', state: 'missing' });
    for (const folder of ['HR', 'LR']) mkdirSync(inRoot('Five', folder), { recursive: true });
    writeFileSync(inRoot('Five/HR/0.png'), hr);
    writeFileSync(inRoot('Five/LR/0x4.png'), lr);
    expect(dataStatus(five, root)).toEqual({ name: 'Five', path: inRoot('Five'), state: 'found' });
    expect(await verifyData(five, { root })).toMatchObject({
      against: 'its layout alone: mimicsr did not fetch it',
      faults: ['expected 2 hr files, found 1'],
    });
  });

  it('needs a lock file that is whole', async () => {
    writeFileSync(inRoot('data.lock.json'), '{"version": 2}');
    await expect(verifyData(setOf('Five'), { root })).rejects.toThrow('is not in');
    expect(() => dataStatus(setOf('Five'), root)).toThrow(/data.lock.json: key 'version'/);
  });
});
