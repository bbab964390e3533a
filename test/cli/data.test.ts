import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifests } from '../../src/data/manifests';
import { program } from '../../src/cli/main';
import { NO_SHARED, SHARED } from '../shared';
import { mimicsr } from './run';

let root: string;
const environment = { ...process.env };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mimicsr-cli-data-'));
  process.env.MIMICSR_DATA = root;
  delete process.env.MIMICSR_SHARED;
});
afterEach(() => {
  process.env = { ...environment };
  rmSync(root, { recursive: true, force: true });
});

/** Something like BSDS500, in small. */
function pictures(): string {
  for (const [split, count] of Object.entries({ train: 3, val: 2, test: 2 })) {
    mkdirSync(join(root, 'mine', 'images', split), { recursive: true });
    for (let i = 0; i < count; i++)
      writeFileSync(join(root, 'mine', 'images', split, `${i}.jpg`), `${split}${i}`);
  }
  return join(root, 'mine', 'images');
}

describe('mimicsr data', () => {
  it('shows an example in the help of every subcommand', async () => {
    const data = program().commands.find((c) => c.name() === 'data')!;
    expect(data.commands.map((c) => c.name())).toEqual([
      'list',
      'status',
      'fetch',
      'import',
      'verify',
      'prepare',
      'path',
    ]);
    for (const command of data.commands) {
      const { code, out } = await mimicsr('data', command.name(), '--help');
      expect(code).toBe(0);
      expect(out).toMatch(/Example:\n {2}mimicsr /);
    }
  });

  it('lists everything with what it may be used for', async () => {
    const { code, out } = await mimicsr('data', 'list');
    expect(code).toBe(0);
    for (const m of manifests())
      expect(out).toMatch(new RegExp(`^${m.name} .*${m.licence.use}.*${m.purpose.slice(0, 8)}`, 'm'));
    expect(out).toMatch(/^DIV2K +dataset +4.26 GB/m);
    expect(out).toMatch(/^Manga109 +dataset +by hand +on request/m);
    const one = await mimicsr('data', 'list', 'manga109');
    expect(one.out).toMatch(/by hand +1. apply on http:\/\/www.manga109.org/);
    const json = JSON.parse((await mimicsr('data', 'list', '--json')).out) as { name: string }[];
    expect(json.map((m) => m.name)).toEqual(manifests().map((m) => m.name));
  });

  it('says that there is nothing to verify', async () => {
    expect(await mimicsr('data', 'verify')).toMatchObject({ code: 0, out: `nothing to verify in ${root}\n` });
  });

  it('points to the help of the subcommand that was called wrongly', async () => {
    const { code, err } = await mimicsr('data', 'fetch', '--no-such');
    expect(code).toBe(2);
    expect(err).toContain('(mimicsr data fetch --help shows the options and an example)');
  });

  it('imports, tells, prints and verifies', async () => {
    const refused = await mimicsr('data', 'import', 'BSDS500', pictures());
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toContain(
      'BSDS500: its terms have not been accepted (--accept-licence accepts them)',
    );
    expect(existsSync(join(root, 'BSDS500'))).toBe(false);

    const imported = await mimicsr('data', 'import', 'bsds500', pictures(), '--accept-licence');
    expect(imported).toMatchObject({ code: 0, out: `${join(root, 'BSDS500')}\n` });
    expect(imported.err).toContain('non-commercial research and education');
    expect(imported.err).toContain('note: expected 200 train hr files, found 3');

    expect((await mimicsr('data', 'path', 'BSDS500')).out).toBe(`${join(root, 'BSDS500')}\n`);
    expect((await mimicsr('data', 'status')).out).toMatch(/^BSDS500 +here +36 bytes +\d{4}-\d\d-\d\d /m);
    const status = JSON.parse((await mimicsr('data', 'status', '--json')).out) as { data: object[] };
    expect(status.data).toContainEqual({ name: 'Set5', state: 'missing' });

    expect((await mimicsr('data', 'verify')).out).toContain('BSDS500: as it should be');
    writeFileSync(join(root, 'BSDS500', 'val', '0.jpg'), 'other');
    const verified = await mimicsr('data', 'verify', 'BSDS500');
    expect(verified.code).toBe(1);
    expect(verified.out).toMatch(/BSDS500: DIFFERS.*\n {2}val\/0.jpg has changed\n/);
  });

  it.skipIf(SHARED === undefined)(
    `takes in CDNet's real weights and knows them again (${NO_SHARED})`,
    async () => {
      const file = join(environment.MIMICSR_SHARED!, 'data/weights/CD-00014.pt');
      expect((await mimicsr('data', 'import', 'cdnet', file, '--accept-licence')).code).toBe(0);
      expect(readFileSync(join(root, 'weights', 'CD-00014.pt'))).toEqual(readFileSync(file));
      const verified = await mimicsr('data', 'verify', 'cdnet');
      expect(verified.out).toContain('against the checksum stated by the file in omarAlezaby/Mimicked_Ali');
      writeFileSync(join(root, 'bad.pt'), readFileSync(file).subarray(1));
      rmSync(join(root, 'weights'), { recursive: true });
      expect((await mimicsr('data', 'import', 'cdnet', join(root, 'bad.pt'))).err).toContain(
        'bad.pt is not the published file: bytes: expected 182839, found 182838',
      );
    },
  );

  it.each([
    ['an unknown name', ['fetch', 'Set55'], "did you mean 'Set5'?"],
    ['terms that were not accepted', ['fetch', 'Set5'], 'its terms have not been accepted'],
    ['what only a person can get', ['fetch', 'Manga109', '--accept-licence'], 'By hand:\n  1. apply on'],
    ['a path of nothing', ['path', 'Set5'], 'Set5 is not here: mimicsr data fetch Set5'],
    [
      'a file that is not there',
      ['import', 'Set5', '/nowhere', '--accept-licence'],
      'no file or folder /nowhere',
    ],
    ['an unknown subcommand', ['fetsh', 'Set5'], "unknown command 'fetsh'"],
    ['no name', ['fetch'], "missing required argument 'name'"],
  ])('leaves with 2 for %s', async (_, args, message) => {
    const { code, out, err } = await mimicsr('data', ...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
  });
});
