import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { syncedBy } from '../disk/synced-paths.case.ts';
import { parseHour } from '../model/hour.ts';
import { accessSummary, at, countsOf } from '../model/summary.case.ts';
import { type Summary, SummaryFormatError } from '../model/summary.ts';
import { createSummaryFiles, encodeSummary, parseSummary, summaryPath } from './summaries.ts';
import { parseSummaryFrom } from './summary-parser.ts';

const HOUR = parseHour('2015-05-17T10') ?? 0;

function makeSummary(counts: readonly (readonly [string, number])[]): Summary {
  return accessSummary({ hour: HOUR, paths: new Map(counts), userAgents: new Map(counts) });
}

const encode = (summary: Summary): string => [...encodeSummary(summary)].join('');

describe('a summary file', () => {
  it('is two-space JSON, the largest counts first', () => {
    const summary = accessSummary({
      hour: HOUR,
      paths: new Map([
        ['/a', 1],
        ['/favicon.ico', 9],
        ['/B', 1],
        ['/', 1],
      ]),
      userAgents: new Map([['curl/8', 12]]),
      source: { bytes: 1234, skippedLines: 1 },
    });
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

  it('of any stream but access has its dimensions in one member', () => {
    const source = { bytes: 300, records: 3, skippedLines: 0 };
    const level = new Map([
      ['ERROR', 1],
      ['INFO', 2],
    ]);
    const dimensions = [
      { name: 'level', counts: level, other: 0 },
      { name: '__proto__', counts: new Map(), other: 3 },
    ];
    const summary = { ...at(HOUR, 'events'), total: 3, dimensions, source };
    const text = encode(summary);
    expect(text).toBe(`{
  "hour": "2015-05-17T10:00:00Z",
  "totalRecords": 3,
  "counts": {
    "level": {
      "INFO": 2,
      "ERROR": 1
    },
    "__proto__": {}
  },
  "other": {
    "level": 0,
    "__proto__": 3
  },
  "source": {
    "bytes": 300,
    "records": 3,
    "skippedLines": 0
  }
}
`);
    expect(parseSummary(text, at(HOUR, 'events'))).toEqual(summary);
    expect(JSON.stringify(JSON.parse(text), undefined, 2)).toBe(text.trimEnd());
    const none = { ...summary, dimensions: [] };
    expect(encode(none)).toContain('"counts": {},\n');
    expect(parseSummary(encode(none), at(HOUR, 'events'))).toEqual(none);
    for (const [part, bad] of [
      ['"INFO": 2', '"INFO": 3'],
      ['"__proto__": 3', '"__proto__": 2'],
      ['"__proto__": {}', '"level": {}'],
      ['"__proto__": {}', '"a":{},"b":{},"c":{},"d":{}'],
      ['"totalRecords"', '"totalRequests"'],
      ['"counts"', '"requestsPerPath"'],
    ] as const) {
      expect(() => parseSummary(text.replace(part, bad), at(HOUR, 'events'))).toThrow(SummaryFormatError);
    }
    expect(() => parseSummary(text, at(HOUR))).toThrow(SummaryFormatError);
  });

  it('writes empty maps as JSON.stringify would', () => {
    const { total: totalRequests, source } = makeSummary([]);
    const same = { hour: '2015-05-17T10:00:00Z', totalRequests, requestsPerPath: {}, requestsPerUserAgent: {}, source };
    expect(encode(makeSummary([]))).toBe(`${JSON.stringify(same, undefined, 2)}\n`);
  });

  it('keeps any keys', () => {
    const keys = ['__proto__', 'constructor', 'toString', '123', '', '"\\\n', 'é', '\ud800', '\u2028', '😀'];
    const summary = makeSummary(keys.map((key, i) => [key, i + 1]));
    expect(parseSummary(encode(summary), at(HOUR))).toEqual(summary);
    expect(JSON.parse(encode(summary)).requestsPerPath[123]).toBe(4);
  });

  it('reads back as it was written, whatever clients sent', () => {
    const key = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', '1', 'valueOf'));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, fc.integer({ min: 1, max: 9 })), { selector: ([k]) => k }), (counts) => {
        const summary = makeSummary(counts);
        const text = encode(summary);
        expect(parseSummary(text, at(HOUR))).toEqual(summary);
        expect(encode(parseSummary(text, at(HOUR)))).toBe(text);
      }),
    );
  });

  it('is written in pieces when it is large', () => {
    const summary = makeSummary(Array.from({ length: 20_000 }, (_, i) => [`/some/path/${i}`, 1]));
    const pieces = [...encodeSummary(summary)];
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000);
    expect(parseSummary(pieces.join(''), at(HOUR))).toEqual(summary);
  });

  it('has the requests that its maps do not name beside them', () => {
    const whole = accessSummary({
      hour: HOUR,
      paths: new Map([['/', 2]]),
      userAgents: new Map([['a', 5]]),
      others: [3, 0],
    });
    const text = encode(whole);
    expect(text).toContain(
      '  },\n  "other": {\n    "requestsPerPath": 3,\n    "requestsPerUserAgent": 0\n  },\n  "source"',
    );
    expect(parseSummary(text, at(HOUR))).toEqual(whole);
    expect(() => parseSummary(text.replace('"requestsPerPath": 3', '"requestsPerPath": 4'), at(HOUR))).toThrow(
      'add up',
    );
  });

  it('is read the same in slices of any size, and with limits only the largest keys', () => {
    const summary = makeSummary([
      ['é"\u2028', 5],
      ['\ud800', 4],
      ['/b', 2],
      ['', 1],
    ]);
    const bytes = Buffer.from(encode(summary));
    for (let size = 1; size < 40; size++) {
      let from = 0;
      const read = (target: Buffer) => {
        const got = bytes.copy(target, 0, from, Math.min(from + size, from + target.length));
        from += got;
        return got;
      };
      expect(parseSummaryFrom(read, at(HOUR), { maxKeys: 9, maxKeyBytes: 99 })).toEqual(summary);
    }
    const limited = parseSummary(bytes.toString(), at(HOUR), { maxKeys: 2, maxKeyBytes: 99 });
    expect(limited).toMatchObject({ total: 12, dimensions: [{ other: 3 }, { other: 3 }] });
    expect(Object.keys(countsOf(limited, 'path') ?? {})).toEqual(['é"\u2028', '\ud800']);
  });

  it('is refused when damaged or edited', () => {
    const good = JSON.parse(encode(makeSummary([['/', 2]])));
    const refused = (change: object, hour = HOUR) =>
      expect(() => parseSummary(JSON.stringify({ ...good, ...change }), at(hour))).toThrow(SummaryFormatError);
    expect(() => parseSummary('', at(HOUR))).toThrow(SummaryFormatError);
    expect(() => parseSummary('[]', at(HOUR))).toThrow(SummaryFormatError);
    expect(() => parseSummary(encode(makeSummary([])).slice(0, -5), at(HOUR))).toThrow(SummaryFormatError);
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

  for (const durability of ['disk', 'later'] as const) {
    it(`sync the name of a folder that a process made and that died before it did, at durability ${durability}`, () => {
      fs.mkdirSync(dirname(summaryPath(analyticsDir, at(HOUR))), { recursive: true });
      fs.mkdirSync(join(analyticsDir, '.checksums'));
      const files = createSummaryFiles({ analyticsDir, durability });
      // Once for each of the two folders, and not again for the next summary of the day.
      const times = () => syncedBy(() => files.write(makeSummary([]))).filter((path) => path === analyticsDir).length;
      expect([times(), times()]).toEqual([2, 0]);
    });
  }

  for (const durability of ['disk', 'later', 'os'] as const) {
    it(`are written and read back at durability ${durability}`, () => {
      const files = createSummaryFiles({ analyticsDir: join(analyticsDir, 'a', 'b'), durability });
      expect(files.read(at(HOUR))).toBeUndefined();
      files.write(makeSummary([['/', 2]]));
      files.write(makeSummary([['/', 3]]));
      files.sync(at(HOUR));
      expect(() => files.sync(at(HOUR + 1))).toThrow('cannot sync summary path=');
      expect(files.read(at(HOUR))).toEqual(makeSummary([['/', 3]]));
      expect(fs.readdirSync(join(analyticsDir, 'a', 'b', '2015-05-17'))).toEqual(['summary_10.json']);
    });
  }

  it('of each stream lie in a folder of their own, with their checksums', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'disk' });
    files.write(makeSummary([['/', 2]]));
    const source = { bytes: 1, records: 0, skippedLines: 1 };
    files.write({ ...at(HOUR, 'events'), total: 0, dimensions: [], source });
    expect(fs.readdirSync(analyticsDir, { recursive: true }).sort()).toEqual([
      '.checksums',
      '.checksums/2015-05-17.json',
      '2015-05-17',
      '2015-05-17/summary_10.json',
      'events',
      'events/.checksums',
      'events/.checksums/2015-05-17.json',
      'events/2015-05-17',
      'events/2015-05-17/summary_10.json',
    ]);
    expect(files.check(at(HOUR, 'events'))?.path).toBe(summaryPath(analyticsDir, at(HOUR, 'events')));
    expect(files.putAside(at(HOUR, 'events'))).toBe(join(analyticsDir, 'events/2015-05-17/summary_10.json.damaged'));
    expect([files.check(at(HOUR, 'events')), files.read(at(HOUR))?.total]).toEqual([undefined, 2]);
  });

  it('keep the old summary when the new one cannot be written', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    files.write(makeSummary([['/', 2]]));
    const counts = null as unknown as Map<string, number>;
    const broken = { ...makeSummary([['/', 3]]), dimensions: [{ name: 'path', counts, other: 0 }] };
    expect(() => files.write(broken)).toThrow(/^cannot write summary path=.*summary_10.json$/);
    expect(files.read(at(HOUR))).toEqual(makeSummary([['/', 2]]));
    expect(fs.readdirSync(join(analyticsDir, '2015-05-17'))).toEqual(['summary_10.json']);
  });

  it('say which file cannot be read', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    fs.mkdirSync(summaryPath(analyticsDir, at(HOUR)), { recursive: true });
    expect(() => files.read(at(HOUR))).toThrow(/^cannot read summary path=/);
    expect(() => files.write(makeSummary([]))).toThrow(/^cannot write summary path=/);
  });

  it('write over what a killed writer left', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    const path = summaryPath(analyticsDir, at(HOUR));
    fs.mkdirSync(dirname(path));
    fs.writeFileSync(`${path}.tmp`, 'x'.repeat(10_000));
    files.write(makeSummary([['/', 1]]));
    expect(fs.readFileSync(path, 'utf8')).toBe(encode(makeSummary([['/', 1]])));
  });

  it('are checked against what was written, and by their form where that is not known', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    expect(files.check(at(HOUR))).toBeUndefined();
    for (const count of [2, 3, 4, 5]) files.write(makeSummary([['/some', count]]));
    const path = summaryPath(analyticsDir, at(HOUR));
    const good = fs.readFileSync(path, 'utf8');
    const [checked, version] = [files.check(at(HOUR)), files.version(at(HOUR))];
    expect(checked).toEqual({ path, version, bytes: good.length });
    fs.writeFileSync(path, good.replace('/some', '/same'));
    expect(() => files.check(at(HOUR))).toThrow(new SummaryFormatError('its checksum is another'));
    expect(() => files.read(at(HOUR))).toThrow(new SummaryFormatError('its checksum is another'));
    // As an older version left it, and after a power cut.
    for (const [day, isRefused] of [
      ['{}', false],
      ['', false],
      ['[7]', false],
      ['{"10":["0-1"]}', true],
    ] as const) {
      fs.writeFileSync(join(analyticsDir, '.checksums', '2015-05-17.json'), day);
      if (isRefused) expect(() => files.check(at(HOUR))).toThrow(SummaryFormatError);
      else expect(files.check(at(HOUR))?.bytes).toBe(good.length);
    }
    fs.rmSync(join(analyticsDir, '.checksums'), { recursive: true });
    for (const bad of ['', good.slice(0, 99), good.replace('5', '6'), good.replace('T10', 'T11'), `${good}x`]) {
      fs.writeFileSync(path, bad);
      expect(() => files.check(at(HOUR))).toThrow(SummaryFormatError);
    }
  });

  it('are the old ones after a crash before the new one took its name', () => {
    const files = createSummaryFiles({ analyticsDir, durability: 'os' });
    files.write(makeSummary([['/', 1]]));
    const path = summaryPath(analyticsDir, at(HOUR));
    const old = fs.readFileSync(path);
    files.write(makeSummary([['/', 2]]));
    fs.writeFileSync(path, old);
    expect(files.read(at(HOUR))?.total).toBe(1);
  });
});
