import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { download, type DownloadOptions } from '../../src/data/download';
import type { Checks, Source } from '../../src/data/manifests';
import { bytes, digest, FaultServer, holds, sendFile, sendPage, type FileAnswer } from './fault-server';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-download-'));
const target = join(root, 'set.zip');
const servers: FaultServer[] = [];
let pauses: number[] = [];
let notes: string[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  rmSync(root, { recursive: true, force: true });
  [pauses, notes] = [[], []];
});

type Answer = (request: IncomingMessage, response: ServerResponse, before: number) => void;

async function serve(answer: Answer): Promise<FaultServer> {
  const server = await FaultServer.start(answer);
  servers.push(server);
  return server;
}

function kept(bytes: number): boolean {
  return bytes === 0 || (statSync(`${target}.part`, { throwIfNoEntry: false })?.size ?? 0) >= bytes;
}

/** Sends the file; the nth answer with the nth of these faults. */
function faulty(body: Buffer, ...faults: FileAnswer[]): Answer {
  return (request, response, before) =>
    sendFile(request, response, body, { kept, ...(faults[before] ?? faults.at(-1)) });
}

function get(
  sources: string[] | Source[],
  checks: Checks = {},
  options: DownloadOptions = {},
): Promise<unknown> {
  return download(
    target,
    sources.map((s) => (typeof s === 'string' ? { url: s } : s)),
    checks,
    {
      timeOuts: { connectMs: 5000, stallMs: 20_000 }, // a busy machine is no fault
      pause: (ms) => Promise.resolve(pauses.push(ms)),
      log: (text) => notes.push(text),
      ...options,
    },
  );
}

const IMPATIENT = { connectMs: 5000, stallMs: 150 };

const pinned = (body: Buffer): Checks => ({ bytes: body.length, sha256: digest('sha256', body) });

describe('a download', () => {
  it('brings the file whole, with its digests, and leaves nothing else', async () => {
    const body = bytes(300_000);
    const server = await serve(faulty(body, {}));
    const checks = {
      ...pinned(body),
      md5: digest('md5', body),
      gitBlob: digest('sha1', `blob ${body.length}\0`, body),
    };
    const shown: number[] = [];
    const progress = () => ({ update: (done: number) => shown.push(done), stop: () => undefined });
    expect(await get([server.url('/f')], checks, { progress })).toEqual({
      bytes: body.length,
      sha256: checks.sha256,
      md5: checks.md5,
      from: server.url('/f'),
    });
    expect(holds(target, body)).toBe(true);
    expect(readdirSync(root)).toEqual(['set.zip']);
    expect(shown.length).toBeGreaterThan(0);
    expect(server.seen[0].headers['accept-encoding']).toBe('identity');
  });

  it.each([
    ['ETag', { etag: '"v1"' }],
    ['date', { lastModified: 'Tue, 01 Jul 2025 10:00:00 GMT' }],
  ])('that breaks off goes on where it was, on the condition of the same %s', async (_, validator) => {
    const body = bytes(300_000);
    const server = await serve(faulty(body, { ...validator, cutAfter: 100_000 }, validator));
    await get([server.url('/f')]);
    expect(holds(target, body)).toBe(true);
    expect(server.ranges()).toEqual(['', 'bytes=100000-']);
    expect(server.seen[1].headers['if-range']).toBe(Object.values(validator)[0]);
    expect(pauses).toEqual([1000]);
  });

  it('that stalls is broken off and goes on', async () => {
    const body = bytes(200_000);
    const etag = '"v1"';
    const server = await serve(faulty(body, { etag, cutAfter: 50_000, stall: true }, { etag }));
    await get([server.url('/f')], {}, { timeOuts: IMPATIENT });
    expect(holds(target, body)).toBe(true);
    expect(server.ranges()).toEqual(['', 'bytes=50000-']);
    expect(notes[0]).toContain('no byte came for 0.15 s');
  });

  it('without an answer gives up after the retries', async () => {
    const server = await serve(() => undefined);
    await expect(get([server.url('/f')], {}, { retries: 1, timeOuts: IMPATIENT })).rejects.toThrow(
      /no byte came for 0.15 s/,
    );
    expect(pauses).toEqual([1000]);
    expect(readdirSync(root)).toEqual([]);
  });

  it('that breaks off without ETag, date or checksum begins anew', async () => {
    const body = bytes(100_000);
    const server = await serve(faulty(body, { cutAfter: 40_000 }, {}));
    await get([server.url('/f')]);
    expect(holds(target, body)).toBe(true);
    expect(server.ranges()).toEqual(['', '']);
  });

  it('counts its failures anew whenever it has got on', async () => {
    const body = bytes(100_000);
    const server = await serve(faulty(body, { etag: '"v1"', cutAfter: 10_000 }));
    await get([server.url('/f')], {}, { retries: 1 });
    expect(holds(target, body)).toBe(true);
    expect(new Set(pauses)).toEqual(new Set([1000]));
  });
});

describe('a file that changes between two parts', () => {
  const [old, now] = [bytes(120_000), bytes(120_000)];
  const versions =
    (second: FileAnswer): Answer =>
    (request, response, before) =>
      before === 0
        ? sendFile(request, response, old, { etag: '"v1"', cutAfter: 30_000, kept })
        : sendFile(request, response, now, second);

  it('comes whole from a server that heeds the condition', async () => {
    const server = await serve(versions({ etag: '"v2"' }));
    await get([server.url('/f')]);
    expect(holds(target, now)).toBe(true);
  });

  it('comes whole from a server that sends the rest of the new file', async () => {
    const server = await serve(versions({ etag: '"v2"', ifRange: false }));
    await get([server.url('/f')]);
    expect(holds(target, now)).toBe(true);
    expect(server.ranges()).toEqual(['', 'bytes=30000-', '']);
  });

  it('is caught by its checksum where nothing else tells', async () => {
    const server = await serve((request, response, before) =>
      sendFile(request, response, before === 0 ? old : now, before === 0 ? { cutAfter: 30_000, kept } : {}),
    );
    await get([server.url('/f')], pinned(now));
    expect(holds(target, now)).toBe(true);
    expect(server.ranges()).toEqual(['', 'bytes=30000-', '']);
  });

  it('and has become shorter than the part begins anew', async () => {
    const short = now.subarray(0, 20_000);
    const server = await serve((request, response, before) =>
      before === 0
        ? sendFile(request, response, old, { etag: '"v1"', cutAfter: 30_000, kept })
        : sendFile(request, response, short, { etag: '"v2"', ifRange: false }),
    );
    await get([server.url('/f')]);
    expect(holds(target, short)).toBe(true);
  });
});

describe('a server that lies', () => {
  const body = bytes(50_000);

  it('about the length is left before the first byte', async () => {
    const server = await serve(faulty(body, {}));
    await expect(get([server.url('/f')], { bytes: 60_000 })).rejects.toThrow(
      'expected 60000 bytes, the server has 50000',
    );
    expect(readdirSync(root)).toEqual([]);
  });

  it('and sends less than it says is asked for the rest, then given up', async () => {
    const server = await serve(faulty(body, { ranges: false, cutAfter: 10_000 }));
    await expect(get([server.url('/f')], {}, { retries: 1 })).rejects.toThrow(/connection broke|broke off/);
    expect(existsSync(target)).toBe(false);
  });

  it('and sends more than the file has is stopped', async () => {
    const server = await serve((_, response) => {
      response.write(body);
      response.end(body); // chunked: no length
    });
    await expect(get([server.url('/f')], { bytes: body.length })).rejects.toThrow(
      'more than 50000 bytes came',
    );
    expect(readdirSync(root)).toEqual([]);
  });

  it('with a web page is left for the next mirror', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/page') sendPage(response, '<!DOCTYPE html><title>Log in</title>');
      else if (request.url === '/disguised') response.end(' <html>Log in</html>');
      else sendFile(request, response, body);
    });
    expect(await get(['/page', '/disguised', '/f'].map((path) => server.url(path)))).toMatchObject({
      from: server.url('/f'),
    });
    expect(holds(target, body)).toBe(true);
    expect(notes).toEqual([
      expect.stringContaining('/page: a web page came'),
      expect.stringContaining('/disguised: a web page'),
    ]);
    expect(pauses).toEqual([]);
  });

  it('with other bytes is refused; they are kept aside, and the next mirror is asked', async () => {
    const wrong = bytes(50_000);
    const server = await serve((request, response) =>
      sendFile(request, response, request.url === '/wrong' ? wrong : body),
    );
    await expect(get([server.url('/wrong')], pinned(body))).rejects.toThrow(
      `sha256: expected ${digest('sha256', body)}, found ${digest('sha256', wrong)}`,
    );
    expect(holds(`${target}.rejected`, wrong)).toBe(true);
    expect(readdirSync(root)).toEqual(['set.zip.rejected']);
    await get([server.url('/wrong'), server.url('/f')], pinned(body));
    expect(holds(target, body)).toBe(true);
    expect(readdirSync(root)).toEqual(['set.zip']);
  });

  it('with an encoding is refused: the bytes would not be the file’s', async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length }).end(body),
    );
    await expect(get([server.url('/f')])).rejects.toThrow('encoded as gzip');
  });

  it('with nothing is given up', async () => {
    const server = await serve((_, response) => response.end());
    await expect(get([server.url('/f')], {}, { retries: 0 })).rejects.toThrow('an empty file came');
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('sources', () => {
  const body = bytes(20_000);

  it('are tried again after server errors, later each time, as long as the server asks', async () => {
    const server = await serve((request, response, before) => {
      if (before === 0) response.writeHead(500).end();
      else if (before === 1) response.writeHead(503, { 'retry-after': '7' }).end();
      else if (before === 2) response.writeHead(429).end();
      else sendFile(request, response, body);
    });
    await get([server.url('/f')]);
    expect(holds(target, body)).toBe(true);
    expect(pauses).toEqual([1000, 7000, 4000]);
  });

  it('give way at once where they refuse, and are all named in the end', async () => {
    const server = await serve((request, response) =>
      response.writeHead(request.url === '/gone' ? 404 : 403).end(),
    );
    const closed = 'http://127.0.0.1:9';
    const failed = get([server.url('/gone'), server.url('/no'), closed], {}, { retries: 0 });
    await expect(failed).rejects.toThrow(
      new RegExp(
        `could not download set.zip:\\n.*/gone: HTTP 404\\n.*/no: HTTP 403\\n.*${closed}: .*ECONNREFUSED`,
      ),
    );
    expect(pauses).toEqual([]);
  });

  it('continue one another’s part where a checksum decides in the end', async () => {
    const [first, second] = [await serve(faulty(body, { cutAfter: 8000 })), await serve(faulty(body, {}))];
    const options = { retries: 0 };
    await get([first.url('/f'), second.url('/f')], pinned(body), options);
    expect(holds(target, body)).toBe(true);
    expect(second.ranges()).toEqual(['bytes=8000-']);
  });

  it('do not continue one another’s part where none does', async () => {
    const etag = '"same"';
    const first = await serve(faulty(body, { etag, cutAfter: 8000 }, { etag, cutAfter: 0 }));
    const second = await serve(faulty(body, { etag }));
    await get([first.url('/f'), second.url('/f')], {}, { retries: 0 });
    expect(holds(target, body)).toBe(true);
    expect(second.ranges()).toEqual(['']);
  });

  it('may redirect, also to other hosts and with a range, but not for ever', async () => {
    const files = await serve(faulty(body, { etag: '"v1"', cutAfter: 8000 }, { etag: '"v1"' }));
    const server = await serve((request, response) => {
      const next = { '/a': '/b', '/b': files.url('/f') }[request.url ?? ''] ?? `/loop${Math.random()}`;
      response.writeHead(302, { location: next }).end();
    });
    await get([server.url('/a')]);
    expect(holds(target, body)).toBe(true);
    expect(files.ranges()).toEqual(['', 'bytes=8000-']);
    await expect(get([server.url('/loop')])).rejects.toThrow('redirects without end (HTTP 302)');
  });

  it.each(['http://[', 'ftp://data.example/f'])('give way where they lead to %s', async (location) => {
    const server = await serve((_, response) => response.writeHead(302, { location }).end());
    await expect(get([server.url('/f')])).rejects.toThrow('leads to an address that cannot be asked');
    expect(pauses).toEqual([]);
  });

  it('give way where the proxy refuses', async () => {
    const proxy = await serve((_, response) => response.writeHead(407).end());
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: proxy.origin });
    try {
      await expect(get(['http://data.example/f'])).rejects.toThrow(/407/);
    } finally {
      process.env = before;
    }
    expect(pauses).toEqual([]);
  });

  it('are asked through the proxy of the environment, but not those that NO_PROXY names', async () => {
    const proxy = await serve(faulty(body, {}));
    const direct = await serve(faulty(body, {}));
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: proxy.origin, NO_PROXY: '127.0.0.1' });
    try {
      await get(['http://data.example/f']);
      rmSync(target);
      await get([direct.url('/f')]);
    } finally {
      process.env = before;
    }
    expect(proxy.seen.map((r) => [r.path, r.headers.host])).toEqual([
      ['http://data.example/f', 'data.example'],
    ]);
    expect(direct.seen).toHaveLength(1);
  });
});

describe('Google Drive', () => {
  const body = bytes(40_000);
  const drive = (server: FaultServer, options: DownloadOptions = {}): Promise<unknown> =>
    get([{ drive: 'A'.repeat(33) }], {}, { driveAddress: server.url('/uc?export=download&id='), ...options });

  it('gives a small file at once', async () => {
    const server = await serve(faulty(body, {}));
    await drive(server);
    expect(holds(target, body)).toBe(true);
  });

  it('asks for a confirmation by a form', async () => {
    const form =
      '<html><title>Google Drive - Virus scan warning</title><form id="download-form" action="/download" method="get">' +
      '<input type="submit" value="Download anyway"/><input type="hidden" name="id" value="AAA&amp;B">' +
      '<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="1-2"></form></html>';
    const server = await serve((request, response, before) => {
      if (request.url?.startsWith('/uc')) sendPage(response, form);
      else
        sendFile(request, response, body, {
          etag: '"v1"',
          ...(before === 0 ? { cutAfter: 9000, kept } : {}),
        });
    });
    await drive(server);
    expect(holds(target, body)).toBe(true);
    const asked = server.seen.filter((r) => r.path.startsWith('/download'));
    expect(asked[0].path).toBe('/download?id=AAA%26B&confirm=t&uuid=1-2');
    expect(asked[1].headers.range).toBe('bytes=9000-');
  });

  it('asks for a confirmation by a link and a cookie', async () => {
    const page =
      '<html><a id="uc-download-link" href="/uc?export=download&amp;confirm=x1y2&amp;id=A">Download anyway</a>';
    const server = await serve((request, response) => {
      if (request.url?.includes('confirm=x1y2') && request.headers.cookie === 'download_warning=x1y2') {
        sendFile(request, response, body);
      } else sendPage(response, page, { 'set-cookie': 'download_warning=x1y2; Path=/; HttpOnly' });
    });
    await drive(server);
    expect(holds(target, body)).toBe(true);
  });

  it.each([
    ['<html><title>Google Drive - Quota exceeded</title></html>', 'downloaded too often (quota)'],
    ['<html><title>Sign in &amp; go</title></html>', "a page instead of the file ('Sign in & go')"],
  ])('may refuse, and says why: %s', async (page, reason) => {
    const server = await serve((_, response) => sendPage(response, page));
    await expect(drive(server)).rejects.toThrow(reason);
    expect(pauses).toEqual([]);
  });
});

describe('a download and its machine', () => {
  const body = bytes(60_000);

  it('does not begin where the disk has no room', async () => {
    const server = await serve(faulty(body, {}));
    await expect(get([server.url('/f')], {}, { freeBytes: () => 64 * 2 ** 20 })).rejects.toThrow(
      /set.zip needs 60.0 kB more, and .* has 67.1 MB free/,
    );
    expect(readdirSync(root)).toEqual([]);
  });

  it('that is interrupted keeps its part, and the next process goes on with it', async () => {
    const etag = '"v1"';
    const server = await serve(faulty(body, { etag, cutAfter: 25_000, stall: true }, { etag }));
    const controller = new AbortController();
    const progress = () => ({ update: () => controller.abort(), stop: () => undefined });
    const stopped = get([server.url('/f')], {}, { signal: controller.signal, progress });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect(readdirSync(root).sort()).toEqual(['set.zip.part', 'set.zip.part.json']);
    await get([server.url('/f')]);
    expect(holds(target, body)).toBe(true);
    expect(server.ranges()[1]).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('begins anew where the note beside the part is damaged', async () => {
    const server = await serve(faulty(body, { etag: '"v1"' }));
    await get([server.url('/f')]);
    rmSync(target);
    writeFileSync(`${target}.part`, 'x');
    writeFileSync(`${target}.part.json`, '{"source":');
    await get([server.url('/f')]);
    expect(holds(target, body)).toBe(true);
    expect(server.ranges()).toEqual(['', '']);
  });

  it('does not ask again for a part that is whole', async () => {
    const server = await serve(faulty(body, { etag: '"v1"' }));
    await get([server.url('/g')]);
    rmSync(target);
    writeFileSync(`${target}.part`, body);
    const origin = { source: server.url('/f'), etag: '"v1"', total: body.length };
    writeFileSync(`${target}.part.json`, JSON.stringify(origin));
    await get([server.url('/f')]);
    expect(holds(target, body)).toBe(true);
    expect(server.seen).toHaveLength(1);
  });

  it('leaves a file alone that another process downloads, unless that process is dead', async () => {
    const server = await serve(faulty(body, {}));
    await get([server.url('/f')]);
    rmSync(target);
    writeFileSync(`${target}.lock`, `${process.ppid} on ${hostname()}, now`);
    await expect(get([server.url('/f')])).rejects.toThrow(
      `another process works here (process ${process.ppid}`,
    );
    writeFileSync(`${target}.lock`, `999999999 on ${hostname()}, now`);
    await get([server.url('/f')]);
    expect(readdirSync(root)).toEqual(['set.zip']);
  });
});
