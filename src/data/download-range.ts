/** Which bytes of which file an HTTP answer holds (RFC 9110: lengths, ranges, validators). */
import type { Reply } from './download-http';
import type { Origin } from './download-part';

/** Where the bytes of an answer come from; `offset` is where a partial one was asked to begin. */
export function originOf(source: string, reply: Reply, offset: number): Origin {
  const { etag, 'last-modified': lastModified } = reply.headers;
  return {
    source,
    // A weak ETag does not say that the bytes are the same.
    ...(typeof etag === 'string' && !etag.startsWith('W/') ? { etag } : {}),
    ...(typeof lastModified === 'string' ? { lastModified } : {}),
    total: totalOf(reply, offset),
  };
}

/** Bytes of the whole file, where the server says. */
function totalOf({ status, headers }: Reply, offset: number): number | undefined {
  const range = rangeOf(headers);
  if (status === 206 && range?.total !== undefined) return range.total;
  const length = Number(headers['content-length'] ?? NaN);
  if (!Number.isInteger(length)) return undefined;
  return status === 206 ? offset + length : length;
}

function rangeOf(headers: Reply['headers']): { start: number; total?: number } | undefined {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(headers['content-range'])) ?? [];
  if (start === undefined) return undefined;
  return { start: Number(start), ...(total === '*' ? {} : { total: Number(total) }) };
}

/** True where a partial answer goes on where the part ends, in the same file as far as anything tells. */
export function continues(reply: Reply, offset: number, before: Origin | undefined, now: Origin): boolean {
  if (rangeOf(reply.headers)?.start !== offset) return false;
  if (before?.total !== undefined && now.total !== undefined && before.total !== now.total) return false;
  if (before?.source !== now.source) return true; // another mirror: the checksum decides
  const differ = (a?: string, b?: string): boolean => a !== undefined && b !== undefined && a !== b;
  return !differ(before.etag, now.etag) && !differ(before.lastModified, now.lastModified);
}
