// FAST PATH. The head of a POST /logs as most clients send it. Whatever is not known for sure here (another method, a
// name twice, chunks, an expectation, an odd byte) is left to node:http, as everything that may be wrong.

/** A head that node:http would read in the same way. */
export interface PlainHead {
  /** `/logs`, with a query if there is one. */
  readonly url: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body, from Content-Length. */
  readonly length: number;
}

/** What a plain request begins with; it takes fewer bytes than any head. */
export const PLAIN_START = 'POST /logs';

/** RFC 9112: a request line, then field lines without folding; RFC 9110, 5.6.2: the characters of a name. */
const HEAD = /^POST \/logs(?:\?[!-~]*)? HTTP\/1\.1(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*)+$/;
const LENGTH = /^\d{1,15}$/;
/** Between `POST ` and ` HTTP/1.1`. */
const URL_START = 5;
const VERSION_LENGTH = ' HTTP/1.1'.length;

/** Those that change how the connection or the body is to be read. */
const SPECIAL = ['transfer-encoding', 'expect', 'upgrade', 'trailer', 'te'] as const;

/** The head, without the empty line at its end, or undefined where it is not plain. */
export function readPlainHead(head: string): PlainHead | undefined {
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
  if (length === undefined || !LENGTH.test(length) || headers.host === undefined) return undefined;
  for (const name of SPECIAL) if (name in headers) return undefined;
  const { connection } = headers;
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
  return { url: head.slice(URL_START, firstEnd - VERSION_LENGTH), headers, length: Number(length) };
}
