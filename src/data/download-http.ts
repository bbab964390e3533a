/**
 * HTTP for downloads: proxies from the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), redirects, time-outs, and
 * faults told apart by whether another try can help.
 */
import type { Readable } from 'node:stream';
import { EnvHttpProxyAgent, interceptors, request, type Dispatcher } from 'undici';

const REDIRECTS = 10;

/** A source that did not give the file. `retry`: the same request may succeed later. */
export class SourceFault extends Error {
  override readonly name = 'SourceFault';

  constructor(
    message: string,
    readonly retry: boolean,
    /** How long the server asks to wait, milliseconds. */
    readonly waitMs?: number,
  ) {
    super(message);
  }
}

export interface Reply {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

export interface TimeOuts {
  /** For the connection. */
  readonly connectMs: number;
  /** Without a byte, before the answer or within it. */
  readonly stallMs: number;
}

export class HttpClient {
  private readonly agent: EnvHttpProxyAgent;
  private readonly dispatcher: Dispatcher;

  constructor(private readonly timeOuts: TimeOuts) {
    // Without a tunnel to http servers: proxies commonly allow CONNECT to port 443 alone.
    this.agent = new EnvHttpProxyAgent({ connect: { timeout: timeOuts.connectMs }, proxyTunnel: false });
    this.dispatcher = this.agent.compose(interceptors.redirect({ maxRedirections: REDIRECTS }));
  }

  /**
   * The answer to a GET, redirects followed.
   * @throws SourceFault for anything but 200, 206 and 416
   */
  async get(url: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Reply> {
    const { stallMs } = this.timeOuts;
    const reply = await request(url, {
      dispatcher: this.dispatcher,
      // A length and a range count the bytes as sent, so these must be the file's own.
      headers: { 'user-agent': 'mimicsr', accept: '*/*', 'accept-encoding': 'identity', ...headers },
      headersTimeout: stallMs,
      bodyTimeout: stallMs,
      signal,
    }).catch((error: unknown) => {
      throw faultOf(error, this.timeOuts);
    });
    if ([200, 206, 416].includes(reply.statusCode)) {
      return { status: reply.statusCode, headers: reply.headers, body: reply.body };
    }
    reply.body.on('error', () => undefined).destroy();
    throw refusal(reply.statusCode, reply.headers);
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

function refusal(status: number, headers: Reply['headers']): SourceFault {
  if (status >= 300 && status < 400) return new SourceFault(`redirects without end (HTTP ${status})`, false);
  const retry = status >= 500 || [408, 425, 429].includes(status);
  return new SourceFault(`HTTP ${status}`, retry, retry ? retryAfter(headers['retry-after']) : undefined);
}

/** Seconds, or a date. */
function retryAfter(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Errors of the connection in the user's words; anything that is none passes unchanged. */
export function faultOf(error: unknown, { connectMs, stallMs }: TimeOuts): unknown {
  if (!(error instanceof Error) || error instanceof SourceFault || error.name === 'AbortError') return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  const seconds = (ms: number): string => `${ms / 1000} s`;
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return new SourceFault(`no connection within ${seconds(connectMs)}`, true);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new SourceFault(`no byte came for ${seconds(stallMs)}`, true);
  }
  if (code === 'ENOTFOUND') return new SourceFault(`no such host (${error.message})`, false);
  if (/CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO/.test(code)) {
    return new SourceFault(`its certificate was not accepted (${error.message})`, false);
  }
  if (/proxy/i.test(error.message)) return new SourceFault(error.message, false);
  if (code === 'ERR_INVALID_URL' || code === 'UND_ERR_INVALID_ARG') {
    return new SourceFault(`leads to an address that cannot be asked (${error.message})`, false);
  }
  if (/^(E[A-Z]+|UND_ERR_[A-Z_]+|HPE_[A-Z_]+)$/.test(code) || error.message === 'terminated') {
    return new SourceFault(`the connection broke (${error.message || code})`, true);
  }
  return error;
}
