import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** A local HTTP server whose answers a test writes itself. */
export class FaultServer {
  readonly seen: SeenRequest[] = [];
  readonly sockets = new Set<Socket>();

  private constructor(
    readonly server: Server,
    readonly origin: string,
  ) {}

  /** @param answer told how many requests for the same path came before */
  static async start(
    answer: (request: IncomingMessage, response: ServerResponse, before: number) => void,
  ): Promise<FaultServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const started = new FaultServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('connection', (socket) => started.sockets.add(socket));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const path = request.url ?? '';
      const before = started.seen.filter((r) => r.path === path).length;
      started.seen.push({ path, headers: request.headers });
      answer(request, response, before);
    });
    return started;
  }

  url(path: string): string {
    return `${this.origin}${path}`;
  }

  /** The Range header of each request, '' where it had none. */
  ranges(): string[] {
    return this.seen.map((r) => r.headers.range ?? '');
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export interface FileAnswer {
  readonly etag?: string;
  readonly lastModified?: string;
  /** Whether the server knows ranges (default), and whether it heeds If-Range (default). */
  readonly ranges?: boolean;
  readonly ifRange?: boolean;
  /** Breaks off after so many bytes of this answer, once the client has kept them. */
  readonly cutAfter?: number;
  /** Tells whether the client has kept so many bytes of the file: what it still buffers is lost with the connection. */
  readonly kept?: (bytes: number) => boolean;
  /** Sends no more after `cutAfter` bytes but keeps the connection. */
  readonly stall?: boolean;
}

/** Sends `body` as a file server does, with the faults that are asked for. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  options: FileAnswer = {},
): void {
  const { etag, lastModified, ranges = true, ifRange = true, cutAfter, stall, kept } = options;
  if (etag !== undefined) response.setHeader('etag', etag);
  if (lastModified !== undefined) response.setHeader('last-modified', lastModified);
  const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const same = !ifRange || condition === undefined || condition === (etag ?? lastModified);
  let start = 0;
  if (ranges && wanted !== null && same) {
    start = Number(wanted[1]);
    if (start >= body.length) {
      response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
      return;
    }
    response.statusCode = 206;
    response.setHeader('content-range', `bytes ${start}-${body.length - 1}/${body.length}`);
  }
  const rest = body.subarray(start);
  response.setHeader('content-length', rest.length);
  if (cutAfter === undefined) {
    response.end(rest);
    return;
  }
  response.write(rest.subarray(0, cutAfter));
  if (stall) return;
  const until = Date.now() + 10_000;
  const timer = setInterval(() => {
    if (!kept!(start + cutAfter) && Date.now() < until) return;
    clearInterval(timer);
    response.destroy();
  }, 5);
}

export function sendPage(response: ServerResponse, html: string, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers }).end(html);
}

/** Whether the file holds exactly that: quicker than comparing buffers element by element. */
export const holds = (path: string, body: Buffer): boolean => readFileSync(path).equals(body);

export const bytes = (length: number): Buffer => randomBytes(length);

export function digest(algorithm: 'sha256' | 'md5' | 'sha1', ...data: (string | Buffer)[]): string {
  const hash = createHash(algorithm);
  for (const part of data) hash.update(part);
  return hash.digest('hex');
}
