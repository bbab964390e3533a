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
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { listArchive, unpack, type UnpackedFile } from '../../src/data/archive';
import { bytes, digest, holds } from './fault-server';
import { tarGzOf, tarOf, zipOf, type ForgedEntry } from './forge-archive';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-archive-'));
const folder = join(root, 'work', 'set');
const file = join(root, 'archive');

beforeEach(() => {
  rmSync(join(root, 'work'), { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const FORMATS = { zip: zipOf, tar: tarOf, 'tar.gz': tarGzOf } as const;
type Format = keyof typeof FORMATS;

function write(format: Format, ...entries: ForgedEntry[]): void {
  writeFileSync(file, FORMATS[format](...entries));
}

async function unpackAll(): Promise<UnpackedFile[]> {
  const listed = await listArchive(file);
  const unpacked: UnpackedFile[] = [];
  await unpack(file, folder, new Map(listed.map(({ path }) => [path, path])), (f) => unpacked.push(f));
  return unpacked;
}

describe.each(Object.keys(FORMATS) as Format[])('%s archives', (format) => {
  const [a, b] = [bytes(70_000), bytes(3)];

  it('are listed and unpacked, without what operating systems add', async () => {
    write(
      format,
      { path: './set/', type: '5', mode: 0o040755 },
      { path: './set/HR/a.png', data: a },
      { path: 'set/LR/b.png', data: b },
      { path: 'set/empty.txt' },
      { path: '__MACOSX/set/HR/a.png', data: b },
      { path: 'set/HR/._a.png', data: b },
      { path: 'set/.DS_Store', data: b },
    );
    expect(await listArchive(file)).toEqual([
      { path: 'set/HR/a.png', bytes: a.length },
      { path: 'set/LR/b.png', bytes: b.length },
      { path: 'set/empty.txt', bytes: 0 },
    ]);
    const unpacked = await unpackAll();
    expect(unpacked[0]).toEqual({ path: 'set/HR/a.png', bytes: a.length, sha256: digest('sha256', a) });
    expect(holds(join(folder, 'set/HR/a.png'), a)).toBe(true);
    expect(holds(join(folder, 'set/LR/b.png'), b)).toBe(true);
    expect(readdirSync(join(folder, 'set')).sort()).toEqual(['HR', 'LR', 'empty.txt']);
  });

  it('give only what is asked for, where it is asked to', async () => {
    write(format, { path: 'x/a.png', data: a }, { path: 'x/b.png', data: b });
    await unpack(file, folder, new Map([['x/b.png', 'LR/b.png']]), () => undefined);
    expect(readdirSync(folder, { recursive: true })).toEqual(['LR', 'LR/b.png']);
  });

  it.each([
    ['../outside.txt'],
    ['set/../../outside.txt'],
    ['/tmp/mimicsr-outside.txt'],
    ['C:/outside.txt'],
    ['set//../../outside.txt'],
  ])('that would write to %s are refused before anything is written', async (path) => {
    write(format, { path: 'set/a.png', data: a }, { path, data: b });
    await expect(unpackAll()).rejects.toThrow(/archive is not safe to unpack|cannot unpack/);
    expect(readdirSync(dirname(folder), { recursive: true })).toEqual(['set']);
    expect(existsSync('/tmp/mimicsr-outside.txt')).toBe(false);
  });

  it('with a link never make it', async () => {
    write(format, { path: 'set/link', type: '2', link: '/etc', mode: 0o120777 }, { path: 'set/b', data: b });
    expect(await listArchive(file)).toContainEqual({ path: 'set/link', bytes: 0, special: true });
    await unpackAll();
    expect(readdirSync(join(folder, 'set'))).toEqual(['b']);
  });

  it('with one path twice are refused', async () => {
    write(format, { path: 'set/a', data: a }, { path: './set/a', data: b });
    await expect(unpackAll()).rejects.toThrow('entry "./set/a" comes twice');
  });

  it('with a file where a folder must be are refused', async () => {
    write(format, { path: 'set/a', data: b }, { path: 'set/a/b', data: b });
    await expect(unpackAll()).rejects.toThrow(/cannot unpack .*archive: a part of the path is a file/);
  });

  it('with too many files or bytes are refused', async () => {
    write(format, { path: 'a', data: a }, { path: 'b', data: b }, { path: 'c', data: b });
    await expect(listArchive(file, { files: 2, bytes: 1e6 })).rejects.toThrow(
      'entry "c" is one of more than 2',
    );
    await expect(listArchive(file, { files: 9, bytes: 70_002 })).rejects.toThrow(
      'entry "b" brings it over 70.0 kB unpacked',
    );
  });

  it('that are cut short are refused', async () => {
    const whole = FORMATS[format]({ path: 'set/a.png', data: a }, { path: 'set/b.png', data: a });
    for (const length of [300, 20_000, whole.length - 1100]) {
      writeFileSync(file, whole.subarray(0, length));
      await expect(unpackAll(), `${length} bytes`).rejects.toThrow(/archive/);
    }
  });

  it('stop when they are told to', async () => {
    write(format, { path: 'a', data: a });
    await expect(listArchive(file, undefined, AbortSignal.abort())).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('archives that would fill the disk', () => {
  const zeros = Buffer.alloc(12_000_000);

  it.each(['zip', 'tar.gz'] as const)('%s: are refused by their list', async (format) => {
    write(format, { path: 'bomb', data: zeros });
    await expect(listArchive(file)).rejects.toThrow(
      /entry "bomb" brings it over 10\.\d MB unpacked|decompression ratio exceeded/,
    );
  });

  it('zip: are refused where an entry holds more than it states', async () => {
    write('zip', { path: 'bomb', data: zeros.subarray(0, 1_000_000), states: 1000 });
    await expect(unpackAll()).rejects.toThrow(/cannot unpack/);
    expect(readFileSync(join(folder, 'bomb')).length).toBeLessThanOrEqual(1000);
  });
});

describe('other files', () => {
  it.each([
    ['a picture', Buffer.from('\x89PNG\r\n'), 'expected a zip, tar or tar.gz archive'],
    ['an empty one', Buffer.alloc(0), 'expected a zip, tar or tar.gz archive'],
    [
      'damaged gzip',
      Buffer.concat([tarGzOf({ path: 'a', data: bytes(5000) }).subarray(0, 2000), bytes(4000)]),
      'archive',
    ],
    ['gzip of something else', tarGzOf().subarray(0, 15), 'cannot unpack'],
    ['an encrypted zip', zipOf({ path: 'a', data: bytes(10), flags: 1 }), 'a is encrypted'],
  ])('%s: refused', async (_, data, message) => {
    writeFileSync(file, data);
    await expect(unpackAll()).rejects.toThrow(message);
  });
});
