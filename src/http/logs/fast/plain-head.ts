// FAST PATH. The head of a POST /logs or /store/batch as most clients send it. Every other head goes to node:http (another method, a name
// twice, chunks, an expectation, an unusual byte), and so does every head that may be wrong.

import { isHost } from '../../server/host.ts';

/** A plain head. node:http would read it in the same way. */
export interface PlainHead {
  /** `/logs`, `/logs/events` or `/store/batch`, with a query if there is one. */
  readonly url: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body, from Content-Length. */
  readonly length: number;
}

/** The end of every head. */
export const HEAD_END = Buffer.from('\r\n\r\n');
/** A longer head is not plain. */
const MAX_HEAD_BYTES = 8 * 1024;
/** The beginnings of plain requests, shorter than any head. */
const PLAIN_STARTS = ['POST /logs', 'POST /store/batch'] as const;
const LONGEST_START = 17;

/** RFC 9112: a request line, then field lines without folding; RFC 9110, 5.6.2: the characters of a name. */
const HEAD =
  /^POST \/(?:logs(?:\/[a-z0-9-]{1,63})?|store\/batch)(?:\?[!-~]*)? HTTP\/1\.1(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*)+$/;
const LENGTH = /^\d{1,15}$/;
/** Between `POST ` and ` HTTP/1.1`. */
const URL_START = 5;
const VERSION_LENGTH = ' HTTP/1.1'.length;

/** Headers that change how the connection or the body must be read. */
const SPECIAL = ['transfer-encoding', 'expect', 'upgrade', 'trailer', 'te', 'proxy-connection'] as const;

/** Whether the bytes at `at`, which hold no whole head, can be the beginning of a plain one. */
export function mayBecomePlain(bytes: Buffer, at: number): boolean {
  const start = bytes.toString('latin1', at, at + LONGEST_START);
  return bytes.length - at <= MAX_HEAD_BYTES && PLAIN_STARTS.some((one) => one.startsWith(start.slice(0, one.length)));
}

/** Reads the head from `at` to `end`, where HEAD_END begins. Returns undefined when it is not plain. */
export function readPlainHead(bytes: Buffer, at: number, end: number): PlainHead | undefined {
  if (end - at > MAX_HEAD_BYTES) return undefined;
  const head = bytes.toString('latin1', at, end);
  if (!HEAD.test(head)) return undefined;
  const firstEnd = head.indexOf('\r\n');
  // Not {}: a client may name a header `__proto__`.
  const headers: Record<string, string> = Object.create(null);
  for (let at = firstEnd + 2; at < head.length; ) {
    const colon = head.indexOf(':', at);
    const found = head.indexOf('\r\n', colon);
    const end = found < 0 ? head.length : found;
    const name = head.slice(at, colon).toLowerCase();
    if (name in headers) return undefined;
    headers[name] = head.slice(colon + 1, end).trim();
    at = end + 2;
  }
  const length = headers['content-length'];
  if (length === undefined || !LENGTH.test(length)) return undefined;
  if (headers.host === undefined || !isHost(headers.host)) return undefined;
  for (const name of SPECIAL) if (name in headers) return undefined;
  const { connection } = headers;
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
  return { url: head.slice(URL_START, firstEnd - VERSION_LENGTH), headers, length: Number(length) };
}
