import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PADDING } from '../lines/plain-line.ts';
import { createFileCounter, createLineCounter, type LineCounts } from './summarise.ts';

const stored = (path: string, userAgent: string, extras: object = {}): string =>
  `${JSON.stringify({ timestamp: '2015-05-17T10:05:03Z', path, userAgent, ...extras })}\n`;

function countAll(text: string | Buffer, sliceBytes = 1 << 16, maxLineBytes = 1 << 20): LineCounts {
  const bytes = Buffer.from(text);
  const countFile = createFileCounter({ sliceBytes, maxLineBytes });
  return countFile((target, offset, length, at) => bytes.copy(target, offset, at, at + length), 0, bytes.length);
}

/** The truth: JSON.parse of each line. */
function countByParsing(bytes: Buffer): LineCounts {
  const paths = new Map<string, number>();
  const userAgents = new Map<string, number>();
  const whole = bytes.lastIndexOf(0x0a) + 1;
  let skippedLines = 0;
  let records = 0;
  for (let at = 0; at < whole; ) {
    const newline = bytes.indexOf(0x0a, at);
    const record = parse(bytes.toString('utf8', at, newline));
    if (record === undefined) skippedLines += 1;
    else {
      records += 1;
      paths.set(record.path, (paths.get(record.path) ?? 0) + 1);
      userAgents.set(record.userAgent, (userAgents.get(record.userAgent) ?? 0) + 1);
    }
    at = newline + 1;
  }
  return { bytes: whole, records, skippedLines, byField: [paths, userAgents], others: [0, 0] };
}

function parse(line: string): { path: string; userAgent: string } | undefined {
  try {
    const { timestamp, path, userAgent } = JSON.parse(line);
    if ([timestamp, path, userAgent].every((field) => typeof field === 'string')) return { path, userAgent };
  } catch {}
  return undefined;
}

describe('counting stored lines', () => {
  it('counts paths and user agents, unusual keys like any other', () => {
    const keys = ['__proto__', 'constructor', '123', '', 'toString', 'a"b\\c', 'ü', '\ud800', '\u2028', '\n'];
    const counts = countAll(keys.map((key) => stored(key, key)).join('') + stored('__proto__', '123'));
    expect(counts.records).toBe(11);
    expect(counts.byField[0]).toEqual(new Map(keys.map((key) => [key, key === '__proto__' ? 2 : 1])));
    expect(counts.byField[1]).toEqual(new Map(keys.map((key) => [key, key === '123' ? 2 : 1])));
  });

  it('counts an escaped and a plain spelling of one text together', () => {
    const plain = stored('/a/b', 'x');
    const counts = countAll(plain + plain.replace('/a/b', '/\\u0061\\/b') + plain);
    expect(counts.byField[0]).toEqual(new Map([['/a/b', 3]]));
  });

  it('counts what JSON.parse accepts, and skips and counts the rest', () => {
    const good = [
      stored('/a', 'x', { status: 200, ok: true, note: 'say "hi"', none: null, n: -0.5e3 }),
      stored('/a', 'x', { nested: { path: '/b' }, list: [1, 2] }),
      stored('/a', 'x').replace(':', ' : '),
      stored('/a', 'x').replace('\n', '\r\n'),
      '{"userAgent":"x","path":"/a","timestamp":"2015-05-17T10:05:03Z"}\n',
      '{"timestamp":"2015-05-17T10:05:03Z","path":"/b","userAgent":"x","path":"/a"}\n',
      '{"timestamp":"2015-05-17T10:05:03Z","path":"/b","userAgent":"x","p\\u0061th":"/a"}\n',
    ];
    const bad = [
      '\n',
      'rubbish\n',
      'null\n',
      '7\n',
      '[]\n',
      '{}\n',
      stored('/a', 'x').replace('}', ''),
      stored('/a', 'x').replace('}', '}}'),
      stored('/a', 'x').replace('}', ',}'),
      stored('/a', 'x').replace('}', ',"a":01}'),
      stored('/a', 'x').replace('}', ',"a":1.}'),
      stored('/a', 'x').replace('}', ',"a":"\\q"}'),
      stored('/a', 'x').replace('}', ',"a":truE}'),
      stored('/a', 'x').replace('}', ',a:1}'),
      stored('/a', 'x').replace('/a', '/\ta'),
      stored('/a', 'x').replace('/a', '/\\q'),
      stored('/a', 'x').replace('/a', '/a\\'),
      stored('/a', 'x').replace('T10', '\\q'),
      stored('/a', 'x').replace('"x"', '5'),
      stored('/a', 'x').replace('{', '\ufeff{'),
      '{"timestamp":5,"path":"/a","userAgent":"x"}\n',
    ];
    const counts = countAll([...good, ...bad].join(''));
    expect(counts).toMatchObject({ records: good.length, skippedLines: bad.length });
    expect(counts.byField[0]).toEqual(new Map([['/a', good.length]]));
  });

  it('reads bytes that are not UTF-8 as JSON.parse of their text would', () => {
    const line = Buffer.from(stored('/aX', 'x'));
    const broken = Buffer.from(line);
    broken[broken.indexOf('X')] = 0xff;
    const other = Buffer.from(line);
    other[other.indexOf('X')] = 0xfe;
    expect(countAll(Buffer.concat([broken, other])).byField[0]).toEqual(new Map([['/a\ufffd', 2]]));
  });

  it('leaves a line without its newline for later', () => {
    const text = stored('/a', 'x') + stored('/b', 'y').trimEnd();
    expect(countAll(text)).toMatchObject({ records: 1, skippedLines: 0, bytes: stored('/a', 'x').length });
  });

  it('reads no bytes after the filled part', () => {
    const counter = createLineCounter();
    const text = Buffer.from(stored('/a', 'x') + stored('/b', 'y'));
    const filled = stored('/a', 'x').length + 20;
    expect(counter.count(text, filled)).toBe(stored('/a', 'x').length);
    expect(counter.finish().byField[0]).toEqual(new Map([['/a', 1]]));
  });

  it('counts right to the end of a buffer without padding', () => {
    const counter = createLineCounter();
    const text = Buffer.from(stored('/a', 'x').repeat(3));
    expect(counter.count(text, text.length)).toBe(text.length);
    expect(counter.finish().byField[0]).toEqual(new Map([['/a', 3]]));
  });

  it('counts a line that is longer than any record as one that is skipped, and goes on after it', () => {
    const text = `${stored('/a', 'x')}${'z'.repeat(5000)}\n${stored('/b', 'x')}${stored('/c', 'y'.repeat(700))}`;
    const counts = countAll(text, 256, 1024);
    expect(counts).toMatchObject({ records: 3, skippedLines: 1, bytes: text.length });
  });

  it('leaves an endless line at the end of the file for later', () => {
    const text = `${stored('/a', 'x')}${'z'.repeat(5000)}`;
    expect(countAll(text, 256, 1024)).toMatchObject({ records: 1, skippedLines: 0, bytes: stored('/a', 'x').length });
  });

  it('stops where the file ends before its expected end', () => {
    const bytes = Buffer.from(stored('/a', 'x'));
    const countFile = createFileCounter();
    const read = (target: Buffer, offset: number, length: number, at: number) =>
      bytes.copy(target, offset, at, at + length);
    expect(countFile(read, 0, 1_000_000)).toMatchObject({ records: 1, bytes: bytes.length });
  });

  it('is right for many distinct tokens, also ones that share a beginning or an end', () => {
    const paths = Array.from({ length: 30_000 }, (_, i) => `/item/${i % 2 === 0 ? i : 'x'.repeat(i % 40) + i}/end`);
    const text = paths.map((path, i) => stored(path, `agent ${i % 1000}`)).join('');
    expect(countAll(text)).toEqual(countByParsing(Buffer.from(text)));
  });
});

describe('plain lines and parsed lines agree', () => {
  const text = fc.oneof(
    fc.constantFrom(
      '/',
      '/a',
      '/favicon.ico',
      '__proto__',
      'constructor',
      '123',
      '',
      '"',
      '\\',
      '\u0000',
      'é',
      '\ud83d',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ maxLength: 40 }),
  );
  const extras = fc.dictionary(fc.oneof(text, fc.constantFrom('path', 'userAgent', 'status', 'pat')), fc.jsonValue(), {
    maxKeys: 3,
  });
  const line = fc.tuple(text, text, fc.option(extras)).map(([path, userAgent, more]) => {
    const plain = stored(path, userAgent);
    if (more === null) return plain;
    const rest = Object.entries(more).map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
    return plain.replace(/}\n$/, () => `${rest.join('')}}\n`);
  });
  const mutation = fc.record({
    at: fc.nat(),
    cut: fc.nat(2),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0x22, 0x5c, 0x2c, 0x0a, 0x7d)),
  });

  it('on lines as stored and on damaged ones, in slices of any size', () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.array(mutation, { maxLength: 4 }),
        fc.integer({ min: 1, max: 300 }),
        (lines, mutations, slice) => {
          let bytes = Buffer.from(lines.join(''));
          for (const { at, cut, byte } of mutations) {
            const place = at % (bytes.length + 1);
            bytes = Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), bytes.subarray(place + cut)]);
          }
          expect(countAll(bytes, slice)).toEqual(countByParsing(bytes));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('counts a line the same in one part or two', () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), fc.nat(), (lines, cut) => {
        const bytes = Buffer.concat([Buffer.from(lines.join('')), Buffer.alloc(PADDING)]);
        const filled = bytes.length - PADDING;
        const counter = createLineCounter();
        const first = counter.count(bytes, cut % (filled + 1));
        counter.count(bytes.subarray(first), filled - first);
        expect(counter.finish()).toEqual(countByParsing(bytes.subarray(0, filled)));
      }),
      { numRuns: 1000 },
    );
  });
});
