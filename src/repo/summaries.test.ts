import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseHour } from '../model/hour.ts';
import { type Summary, SummaryFormatError } from '../model/summary.ts';
import { createSummaryFiles, encodeSummary, parseSummary, summaryPath } from './summaries.ts';

const HOUR = parseHour('2015-05-17T10') ?? 0;

function makeSummary(counts: readonly (readonly [string, number])[], source = {}): Summary {
  const records = counts.reduce((sum, [, count]) => sum + count, 0);
  const map = new Map(counts);
  return {
    hour: HOUR,
    totalRequests: records,
    requestsPerPath: map,
    requestsPerUserAgent: map,
    source: { bytes: records * 100, records, skippedLines: 0, ...source },
  };
}

const encode = (summary: Summary): string => [...encodeSummary(summary)].join('');

describe('a summary file', () => {
  it('is two-space JSON, the largest counts first', () => {
    const summary = {
      ...makeSummary([]),
      totalRequests: 12,
      requestsPerPath: new Map([
        ['/a', 1],
        ['/favicon.ico', 9],
        ['/B', 1],
        ['/', 1],
      ]),
      requestsPerUserAgent: new Map([['curl/8', 12]]),
      source: { bytes: 1234, records: 12, skippedLines: 1 },
    };
    expect(encode(summary)).toBe(`{
  "hour": "2015-05-17T10:00:00Z",
  "totalRequests": 12,
  "requestsPerPath": {
    "/favicon.ico": 9,
    "/": 1,
    "/B": 1,
    "/a": 1
  },
  "requestsPerUserAgent": {
    "curl/8": 12
  },
  "source": {
    "bytes": 1234,
    "records": 12,
    "skippedLines": 1
  }
}
`);
  });

  it('writes empty maps as JSON.stringify would', () => {
    const { totalRequests, source } = makeSummary([]);
    const same = { hour: '2015-05-17T10:00:00Z', totalRequests, requestsPerPath: {}, requestsPerUserAgent: {}, source };
    expect(encode(makeSummary([]))).toBe(`${JSON.stringify(same, undefined, 2)}\n`);
  });

  it('keeps any keys', () => {
    const keys = ['__proto__', 'constructor', 'toString', '123', '', '"\\\n', 'é', '\ud800', '\u2028', '😀'];
    const summary = makeSummary(keys.map((key, i) => [key, i + 1]));
    expect(parseSummary(encode(summary), HOUR)).toEqual(summary);
    expect(JSON.parse(encode(summary)).requestsPerPath[123]).toBe(4);
  });

  it('reads back as it was written, whatever clients sent', () => {
    const key = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', '1', 'valueOf'));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, fc.integer({ min: 1, max: 9 })), { selector: ([k]) => k }), (counts) => {
        const summary = makeSummary(counts);
        const text = encode(summary);
        expect(parseSummary(text, HOUR)).toEqual(summary);
        expect(encode(parseSummary(text, HOUR))).toBe(text);
      }),
    );
  });

  it('is written in pieces when it is large', () => {
    const summary = makeSummary(Array.from({ length: 20_000 }, (_, i) => [`/some/path/${i}`, 1]));
    const pieces = [...encodeSummary(summary)];
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000);
    expect(parseSummary(pieces.join(''), HOUR)).toEqual(summary);
  });

  it('is refused when damaged or edited', () => {
    const good = JSON.parse(encode(makeSummary([['/', 2]])));
    const refused = (change: object, hour = HOUR) =>
      expect(() => parseSummary(JSON.stringify({ ...good, ...change }), hour)).toThrow(SummaryFormatError);
    expect(() => parseSummary('', HOUR)).toThrow(SummaryFormatError);
    expect(() => parseSummary('[]', HOUR)).toThrow(SummaryFormatError);
    expect(() => parseSummary(encode(makeSummary([])).slice(0, -5), HOUR)).toThrow(SummaryFormatError);
    refused({ totalRequests: 3 });
    refused({ requestsPerPath: { '/': 3 } });
    refused({ requestsPerUserAgent: { '/': -2 } });
    refused({ requestsPerPath: [] });
    refused({ requestsPerPath: undefined });
    refused({ source: { ...good.source, records: 3 } });
    refused({ source: { ...good.source, bytes: '1' } });
    refused({ source: null });
    refused({}, HOUR + 1);
  });
});

describe('summary files', () => {
  let analyticsDir: string;
  beforeEach(() => {
    analyticsDir = fs.mkdtempSync(join(tmpdir(), 'logforge-summaries-'));
  });
  afterEach(() => fs.rmSync(analyticsDir, { recursive: true }));

  for (const durability of ['disk', 'later', 'os'] as const) {
    it(`are written and read back at durability ${durability}`, () => {
      const files = createSummaryFiles({ analyticsDir: join(analyticsDir, 'a', 'b'), durability });
      expect(files.read(HOUR)).toBeUndefined();
      files.write(makeSummary([['/', 2]]));
      files.write(makeSummary([['/', 3]]));
      files.sync(HOUR);
      expect(() => files.sync(HOUR + 1)).toThrow('cannot sync summary path=');
      expect(files.read(HOUR)).toEqual(makeSummary([['/', 3]]));
      expect(fs.readdirSync(join(analyticsDir, 'a', 'b', '2015-05-17'))).toEqual(['summary_10.json']);
    });
  }

  it('keep the old summary when the new one cannot be written', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    files.write(makeSummary([['/', 2]]));
    const broken = { ...makeSummary([['/', 3]]), requestsPerPath: null as unknown as Map<string, number> };
    expect(() => files.write(broken)).toThrow(/^cannot write summary path=.*summary_10.json$/);
    expect(files.read(HOUR)).toEqual(makeSummary([['/', 2]]));
    expect(fs.readdirSync(join(analyticsDir, '2015-05-17'))).toEqual(['summary_10.json']);
  });

  it('say which file cannot be read', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    fs.mkdirSync(summaryPath(analyticsDir, HOUR), { recursive: true });
    expect(() => files.read(HOUR)).toThrow(/^cannot read summary path=/);
    expect(() => files.write(makeSummary([]))).toThrow(/^cannot write summary path=/);
  });

  it('write over what a killed writer left', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    const path = summaryPath(analyticsDir, HOUR);
    fs.mkdirSync(dirname(path));
    fs.writeFileSync(`${path}.tmp`, 'x'.repeat(10_000));
    files.write(makeSummary([['/', 1]]));
    expect(fs.readFileSync(path, 'utf8')).toBe(encode(makeSummary([['/', 1]])));
  });
});
