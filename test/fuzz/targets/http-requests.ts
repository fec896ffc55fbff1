import zlib from 'node:zlib';
import type { Random } from '../../support/random.ts';
import { mutateBytes } from '../mutate.ts';

// The grammar of requests: mostly right, and with every form on which two readers of HTTP have disagreed.

/** What one client does: it writes the pieces one after the other, and may end its side after the last. */
export interface HttpPlan {
  /** How the server is set up. */
  readonly setup: 'open' | 'auth' | 'small';
  /** Bytes, each a character of Latin-1. */
  readonly writes: readonly string[];
  readonly endsItsSide: boolean;
}

/** Of a body, in the setup `small`. */
export const SMALL_BODY_BYTES = 300;
export const API_KEY = 'the-right-key';

const METHODS = [
  'GET',
  'PUT',
  'HEAD',
  'OPTIONS',
  'DELETE',
  'post',
  'Post',
  'PO ST',
  'TRACE',
  'CONNECT',
  'PRI',
  '',
  'POST\t',
];
const LOGS_TARGETS = [
  ...['/logs?invalid=skip', '/logs?invalid=reject', '/logs?invalid=x', '/logs?invalid=skip&invalid=skip', '/logs?'],
  ...[
    '/logs?x=1&invalid=skip',
    '/logs?invalid=',
    '/logs?invalid=sk%69p',
    '/logs?a=b#c',
    '/logs?%',
    '/logs?a?b',
    '/logs?{"}',
  ],
];
const TARGETS = [
  ...[
    'http://a/logs',
    'http://b/logs?invalid=skip',
    'http:///logs',
    'HTTP://A/logs',
    '//logs',
    '//b/logs',
    '/logs/',
    '/LOGS',
  ],
  ...[
    '/logs#x',
    '*',
    '/%6cogs',
    '/./logs',
    '/x/../logs',
    '/logs%00',
    '/logs\\',
    '/logs\x7f',
    '/logs\xe9',
    '/logs?\xe9',
    '',
  ],
  ...[
    '/health',
    '/version',
    '/nowhere',
    '/',
    '/logsx',
    'logs',
    'a:80',
    '/logs /x',
    '/logs?a b',
    '/health?x=1',
    '/ready',
  ],
];
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/3.1',
  'http/1.1',
  'HTTP/1.1 ',
  'HTTP/1',
  'HTTP/11',
  '',
  'HTTP/1.1x',
];
const HOSTS = [
  ...[
    'localhost',
    'a:80',
    'A',
    'b',
    '',
    ' ',
    'a b',
    'a,b',
    '[::1]',
    '[::1]:80',
    '[x]',
    'u@a',
    'a:',
    'a:x',
    'a:123456',
    'a/',
    'a.',
  ],
  ...['\xe9', '%61', 'a"b', '127.0.0.1', 'a\tb'],
];
const TYPES = [
  ...[
    'application/x-ndjson',
    'text/csv',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;x',
    '',
  ],
  ...['text/plain', 'application/json, text/csv', ' application/json', ';', 'text/csv\t', '\xe9', 'application/jsonx'],
];
const TRANSFERS = [
  ...[
    'Chunked',
    'CHUNKED ',
    'gzip, chunked',
    'chunked, gzip',
    'chunked, chunked',
    'chunked,',
    ', chunked',
    'identity',
    'xchunked',
  ],
  ...['chunkedx', '\x0bchunked', 'chunked;a=b', '"chunked"', '', 'gzip', 'chunked\t', 'chu nked'],
];
const LENGTHS = [
  'x',
  '',
  '+',
  '-1',
  '0x10',
  '1e1',
  '5.0',
  '5, 5',
  '5,6',
  '5 5',
  '"5"',
  '99999999999999999999',
  '18446744073709551617',
  '\x005',
  '5\t',
  '٥',
];
const CONNECTIONS = [
  ...[
    'close',
    'Close',
    'keep-alive',
    'Keep-Alive',
    'keep-alive, close',
    'close, keep-alive',
    'upgrade',
    'x',
    '',
    'keep-alive,',
  ],
  ...['content-length', 'host', 'close\t', ' close', 'te', 'Keep-Alive\t'],
];
const EXPECTS = ['100-continue', '100-Continue', '100-continue ', 'tea', '', '100-continue, tea', '200-ok'];
const CODINGS = [
  'gzip',
  'x-gzip',
  'deflate',
  'br',
  'zstd',
  'identity',
  '',
  'GZip',
  'gzip, gzip',
  'compress',
  ', gzip',
  'gzip;q=1',
  '*',
];
const KEYS = ['k1', '', 'a b', 'k'.repeat(255), 'k'.repeat(256), '\xe9', 'k1, k2', '\tk1 ', '!~'];
const OTHERS = [
  ...[
    'X-Request-Id: mine',
    'X-Request-Id: a b',
    'X-Request-Id:',
    'X-Request-Id: one, two',
    'Accept: */*',
    'A: b',
    'X-Empty:',
    'X:  padded \t',
  ],
  ...[
    'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'traceparent: x',
    '__proto__: x',
    'constructor: y',
  ],
  ...[
    'Upgrade: websocket',
    'Upgrade: h2c',
    'TE: trailers',
    'Trailer: X-T',
    'Proxy-Connection: close',
    'Keep-Alive: timeout=5, max=1',
  ],
  ...[
    'HTTP2-Settings: AAMAAABkAAQAAP__',
    'Content_Length: 5',
    'Content-Lengt: 5',
    'Content-Length2: 5',
    'Cookie: a=b',
    'Cookie: c=d',
  ],
  ...[
    'X-API-Key: the-right-key',
    'X-API-Key: wrong',
    'X-Api-Key:',
    'Authorization: Bearer the-right-key',
    'authorization: bearer the-right-key',
  ],
  ...[
    'Authorization: Basic dGhl',
    'Origin: http://evil',
    'Content-Range: bytes 0-1/2',
    'Content-Location: /x',
    'Via: 1.0 x',
    'Age: 1',
    'Etag: "a"',
  ],
];
/** Lines that are no header field, or that one reader takes for another field. */
const WRONG_LINES = [
  ...[
    'A b: c',
    'A : b',
    'Content-Length : 5',
    'Transfer-Encoding : chunked',
    ' Content-Length: 5',
    '\tX: y',
    ': x',
    'no colon',
    'A\x00: b',
  ],
  ...[
    'A: \x00',
    'A: b\x01c',
    'A: \x7f',
    'A: \xff',
    '\xe9: x',
    'A: b\rContent-Length: 5',
    'A: b\nContent-Length: 5',
    'X: a\r\n b',
    'X: a\r\n\tb',
  ],
  ...[
    'Content-Length:5',
    'Transfer-Encoding:\tchunked',
    'Content-Length\t: 5',
    'A(b): c',
    '"A": b',
    'A:b:c',
    'Content-Length: 5\r',
    '\rA: b',
    'X: \r\n y',
  ],
];

let lastId = 0;

/** A line in one of the formats, some of them invalid. */
function record(random: Random): string {
  const path = random.chance(0.08) ? '' : `/p${random.int(0, 999)}`;
  const time = random.chance(0.06) ? 'yesterday' : `2025-11-22T1${random.int(0, 3)}:00:0${random.int(0, 9)}Z`;
  return JSON.stringify({ timestamp: time, path, userAgent: 'a', id: lastId++ % 1_000 });
}

function bodyText(type: string, random: Random): string {
  const records = Array.from({ length: random.int(0, 4) }, () => record(random));
  if (random.chance(0.05))
    return random.pick(['', '[', '{}', '[]', 'x', '\n\n', '\xff', 'POST /logs HTTP/1.1\r\n\r\n']);
  if (type.includes('ndjson')) return records.join('\n');
  if (type.includes('csv'))
    return `timestamp,path,userAgent\n${records.map((_, i) => `2025-11-22T10:00:00Z,/c${i},a`).join('\n')}`;
  return records.length === 1 && random.chance(0.5) ? (records[0] ?? '') : `[${records.join(',')}]`;
}

function pack(body: Buffer, coding: string, random: Random): Buffer {
  const packers: Record<string, (bytes: Buffer) => Buffer> = {
    gzip: zlib.gzipSync,
    'x-gzip': zlib.gzipSync,
    deflate: random.chance(0.5) ? zlib.deflateSync : zlib.deflateRawSync,
    br: (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
    zstd: zlib.zstdCompressSync,
  };
  const packed = packers[coding.toLowerCase()]?.(body) ?? body;
  return random.chance(0.15) ? mutateBytes(packed, random) : packed;
}

function chunkLine(size: number, random: Random): string {
  const hex = size.toString(16);
  if (random.chance(0.85)) return hex;
  return random.pick([
    ...[
      hex.toUpperCase(),
      `0${hex}`,
      `000000${hex}`,
      `${hex};a=b`,
      `${hex};a="b;c"`,
      `${hex} `,
      `${hex}\t;x`,
      ` ${hex}`,
      `+${hex}`,
      `0x${hex}`,
    ],
    ...[
      `${hex};`,
      `${hex}\n`,
      `-${hex}`,
      '',
      'q',
      `${hex};a=\x00`,
      'ffffffffffffffff',
      `${hex};${'e'.repeat(200)}`,
      `${hex} ;a`,
      `${hex}\r`,
    ],
  ]);
}

function chunked(body: Buffer, random: Random): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = random.int(1, body.length - at);
    const end = random.chance(0.96) ? '\r\n' : random.pick(['\n', '', '\r', 'x\r\n', '\r\n\r\n']);
    text += `${chunkLine(size, random)}\r\n${body.toString('latin1', at, at + size)}${end}`;
    at += size;
  }
  const last = random.chance(0.93) ? '0' : random.pick(['00', '0;x', '', '0 ', '000000000000000000000']);
  const trailers = random.chance(0.85)
    ? ''
    : random.pick([
        'X-T: a\r\n',
        'Content-Length: 5\r\n',
        'Bad line\r\n',
        'Transfer-Encoding: chunked\r\n',
        ' x: y\r\n',
        'X: \x00\r\n',
      ]);
  return `${text}${last}\r\n${trailers}${random.chance(0.97) ? '\r\n' : ''}`;
}

/** One request, as characters of Latin-1. */
function request(random: Random): string {
  const odd = random.chance(0.5);
  const sometimes = (probability: number) => odd && random.chance(probability);
  const method = sometimes(0.1) ? random.pick(METHODS) : 'POST';
  const target = sometimes(0.12) ? random.pick(TARGETS) : random.chance(0.2) ? random.pick(LOGS_TARGETS) : '/logs';
  const version = sometimes(0.08) ? random.pick(VERSIONS) : 'HTTP/1.1';
  const type = random.chance(0.3) ? random.pick(TYPES) : 'application/json';
  const coding = random.chance(0.15) ? random.pick(CODINGS) : undefined;
  const body = pack(Buffer.from(bodyText(type, random)), coding ?? '', random);
  const isChunked = random.chance(0.15);
  const payload = isChunked ? chunked(body, random) : body.toString('latin1');
  const lines: string[] = [];
  if (!sometimes(0.04)) lines.push(`Host: ${sometimes(0.1) ? random.pick(HOSTS) : 'a'}`);
  if (!sometimes(0.04)) lines.push(`Content-Type: ${type}`);
  if (coding !== undefined) lines.push(`Content-Encoding: ${coding}`);
  if (isChunked) lines.push(`Transfer-Encoding: ${sometimes(0.2) ? random.pick(TRANSFERS) : 'chunked'}`);
  if (!isChunked || sometimes(0.1)) lines.push(...lengthLines(Buffer.byteLength(payload, 'latin1'), sometimes, random));
  if (sometimes(0.06)) lines.push(`Transfer-Encoding: ${random.pick(TRANSFERS)}`);
  if (sometimes(0.15)) lines.push(`Connection: ${random.pick(CONNECTIONS)}`);
  if (sometimes(0.08)) lines.push(`Expect: ${random.pick(EXPECTS)}`);
  if (random.chance(0.1)) lines.push(`Idempotency-Key: ${random.pick(KEYS)}`);
  for (let more = random.chance(0.3) ? random.int(1, 3) : 0; more > 0; more--) lines.push(random.pick(OTHERS));
  if (sometimes(0.1)) lines.push(random.pick(WRONG_LINES));
  if (sometimes(0.08)) lines.push(random.pick(lines) ?? 'A: b');
  if (sometimes(0.02)) lines.push(`X-Long: ${'x'.repeat(random.pick([7_900, 8_200, 16_000, 17_000]))}`);
  if (sometimes(0.02)) for (let i = 0; i < random.pick([90, 1_500]); i++) lines.push(`h${i}:`);
  return `${head(
    method,
    target,
    version,
    shuffle(lines, random).map((line) => respell(line, random)),
    sometimes,
    random,
  )}${payload}`;
}

type Sometimes = (probability: number) => boolean;

function lengthLines(length: number, sometimes: Sometimes, random: Random): string[] {
  if (sometimes(0.05)) return [];
  if (sometimes(0.1)) return [`Content-Length: ${random.pick(LENGTHS)}`];
  if (sometimes(0.05)) return [`Content-Length: 000${length}`];
  if (sometimes(0.05)) return [`Content-Length: ${length}`, `Content-Length: ${length + random.pick([0, 0, 1])}`];
  if (sometimes(0.08)) return [`Content-Length: ${Math.max(0, length + random.pick([-7, -1, 1, 5, 400_000]))}`];
  return [`Content-Length: ${length}`];
}

function head(
  method: string,
  target: string,
  version: string,
  lines: readonly string[],
  sometimes: Sometimes,
  random: Random,
): string {
  const space = () => (sometimes(0.02) ? random.pick(['  ', '\t', '']) : ' ');
  const lineEnd = () => (sometimes(0.01) ? random.pick(['\n', '\r', '\r\r\n', '\n\r', '\r\n ']) : '\r\n');
  const before = sometimes(0.05) ? random.pick(['\r\n', '\n', '\r\n\r\n', ' ', '\0', '\r']) : '';
  return `${before}${method}${space()}${target}${space()}${version}${lineEnd()}${lines.map((line) => `${line}${lineEnd()}`).join('')}${lineEnd()}`;
}

function respell(line: string, random: Random): string {
  if (random.chance(0.85)) return line;
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).trim();
  const spelled = random.chance(0.5) ? name.toLowerCase() : name.toUpperCase();
  return `${spelled}:${random.pick(['', ' ', '\t', '  '])}${value}${random.pick(['', ' ', '\t'])}`;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  if (random.chance(0.5)) return [...items];
  return items
    .map((item) => [random.next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** One to five requests on one connection, cut at places that have nothing to do with them. */
export function makePlan(random: Random): HttpPlan {
  lastId = random.int(0, 1_000);
  const requests = Array.from({ length: random.chance(0.4) ? 1 : random.int(2, 5) }, () => request(random));
  let bytes: Buffer = Buffer.from(requests.join(''), 'latin1');
  if (random.chance(0.08)) bytes = mutateBytes(bytes, random);
  const setup = random.chance(0.75) ? 'open' : random.pick(['auth', 'small'] as const);
  return { setup, writes: cutUp(bytes.toString('latin1'), random), endsItsSide: random.chance(0.25) };
}

function cutUp(text: string, random: Random): string[] {
  if (random.chance(0.4)) return [text];
  const cuts = Array.from({ length: random.int(1, 5) }, () => random.int(0, text.length));
  const places = [0, ...cuts.sort((a, b) => a - b), text.length];
  return places
    .slice(1)
    .map((end, i) => text.slice(places[i], end))
    .filter((piece) => piece !== '');
}
