import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Hour, parseHour } from '../model/hour.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { at, countsOf } from '../model/summary.case.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import { encodeFrames, FILE_START } from '../repo/hour-frames.ts';
import type { CommittedHour } from '../repo/repo.ts';
import { createSummaryFiles, type SummaryFiles, summaryPath } from '../repo/summaries.ts';
import { createHourSummariser, type HourReport } from './summarise-hour.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
const line = (path: string, userAgent = 'curl'): string =>
  `${JSON.stringify({ timestamp: '2015-05-17T10:05:03Z', path, userAgent })}\n`;

let folder: string;
let path: string;
let summaries: SummaryFiles;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'logforge-hour-'));
  path = join(folder, '10.log.json');
  summaries = createSummaryFiles({ analyticsDir: join(folder, 'analytics'), durability: 'os' });
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const store = (text: string): void => fs.writeFileSync(path, text);

function summarise(bytes = fs.statSync(path).size, options = {}): HourReport {
  return createHourSummariser({ openHour, damagedRange, summaries, streams: [ACCESS_STREAM], sliceBytes: 100 })(
    { stream: 'access', hour: HOUR, path, bytes },
    options,
  );
}

function readSummaryText(): string | undefined {
  const file = summaryPath(join(folder, 'analytics'), at(HOUR));
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}

describe('summarising an hour', () => {
  it('counts only what was appended since the last summary', () => {
    store(line('/a') + line('/b'));
    expect(summarise()).toMatchObject({ outcome: 'written', records: 2, bytes: line('/a').length * 2, warnings: [] });
    fs.appendFileSync(path, line('/a', 'wget') + line('/c'));
    expect(summarise()).toMatchObject({ outcome: 'written', records: 2, bytes: line('/a').length * 2, warnings: [] });
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/a': 2, '/b': 1, '/c': 1 });
    expect(countsOf(summaries.read(at(HOUR)), 'userAgent')).toEqual({ curl: 3, wget: 1 });
    expect(summaries.read(at(HOUR))).toMatchObject({
      total: 4,
      source: { bytes: fs.statSync(path).size, records: 4, skippedLines: 0 },
    });
  });

  it('reads committed bytes only', () => {
    store(line('/a') + line('/not-committed'));
    summarise(line('/a').length);
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/a': 1 });
  });

  it('writes nothing when nothing was appended', () => {
    store(line('/a'));
    summarise();
    const file = summaryPath(join(folder, 'analytics'), at(HOUR));
    fs.utimesSync(file, 1, 1);
    expect(summarise()).toMatchObject({ outcome: 'unchanged', bytes: 0 });
    expect(fs.statSync(file).mtimeMs).toBe(1000);
  });

  it('writes nothing for an hour without a byte', () => {
    store('');
    expect(summarise()).toMatchObject({ outcome: 'unchanged', warnings: [] });
    expect(readSummaryText()).toBeUndefined();
  });

  it('leaves a cut line for later and counts it once it is whole', () => {
    store(line('/a') + line('/b').slice(0, 30));
    expect(summarise()).toMatchObject({ outcome: 'written', records: 1, skippedLines: 0 });
    expect(summarise()).toMatchObject({ outcome: 'unchanged', records: 0 });
    fs.appendFileSync(path, line('/b').slice(30));
    expect(summarise()).toMatchObject({ outcome: 'written', records: 1, skippedLines: 0 });
  });

  it('counts and skips corrupt lines, once', () => {
    store(`${line('/a')}rubbish\n${line('/b')}`);
    expect(summarise()).toMatchObject({ records: 2, skippedLines: 1 });
    fs.appendFileSync(path, line('/b'));
    expect(summarise()).toMatchObject({ records: 1, skippedLines: 0 });
    expect(summaries.read(at(HOUR))?.source).toMatchObject({ records: 3, skippedLines: 1 });
  });

  it('reports a missing file, and leaves the summary as it was', () => {
    store(line('/a'));
    const bytes = line('/a').length;
    summarise();
    fs.rmSync(path);
    const before = readSummaryText();
    expect(summarise(bytes)).toMatchObject({ outcome: 'missing', bytes: 0 });
    expect(readSummaryText()).toBe(before);
  });

  it('counts a shortened file again from the start, with a warning', () => {
    store(line('/a') + line('/b'));
    const bytes = fs.statSync(path).size;
    summarise();
    store(line('/a'));
    const report = summarise(bytes);
    expect(report).toMatchObject({ outcome: 'written', records: 1 });
    expect(report.warnings).toHaveLength(2);
    expect(report.warnings[1]).toMatch(/^counted again from the start: the file is shorter/);
    expect(summaries.read(at(HOUR))?.total).toBe(1);
  });

  it('counts an emptied file again from the start', () => {
    store(line('/a'));
    summarise();
    store('');
    expect(summarise()).toMatchObject({ outcome: 'written', records: 0 });
    expect(summaries.read(at(HOUR))?.total).toBe(0);
  });

  it('counts a file again that was edited before the end that was counted', () => {
    store(line('/a') + line('/b'));
    summarise();
    store(line('/a') + line('/changed-by-hand') + line('/c'));
    const report = summarise();
    expect(report.warnings).toEqual(['counted again from the start: the file was changed by hand']);
    expect(summaries.read(at(HOUR))?.total).toBe(3);
  });

  it('counts again from the start when the summary is damaged, edited, or of another hour', () => {
    store(line('/a') + line('/b'));
    summarise();
    const good = readSummaryText() ?? '';
    for (const bad of [
      '',
      good.slice(0, 60),
      good.replace('"totalRequests": 2', '"totalRequests": 7'),
      good.replace('"/a": 1', '"/a": 5'),
      good.replace('T10:', 'T11:'),
    ]) {
      fs.writeFileSync(summaryPath(join(folder, 'analytics'), at(HOUR)), bad);
      const report = summarise();
      expect(report).toMatchObject({ outcome: 'written', records: 2 });
      expect(report.warnings[0]).toMatch(/^counted again from the start: the summary cannot be used: /);
      expect(readSummaryText()).toBe(good);
    }
  });

  it('puts a damaged summary aside whose records are gone, and leaves a good one', () => {
    store(line('/a'));
    summarise();
    const file = summaryPath(join(folder, 'analytics'), at(HOUR));
    const bad = (readSummaryText() ?? '').replace('"/a"', '"/b"');
    fs.writeFileSync(file, bad);
    fs.rmSync(path);
    expect(summarise(8)).toMatchObject({
      outcome: 'missing',
      warnings: [`put aside as ${file}.damaged: its records are gone, and it cannot be used: its checksum is another`],
    });
    expect([fs.existsSync(file), fs.readFileSync(`${file}.damaged`, 'utf8')]).toEqual([false, bad]);
  });

  it('names the first keys only, bit by bit as counting from the start, and counts the others', () => {
    const limits = { maxKeys: 2, maxKeyBytes: 1_000 };
    const run = (bytes: number, rebuild = false) =>
      createHourSummariser({ openHour, damagedRange, summaries, streams: [ACCESS_STREAM], limits })(
        { stream: 'access', hour: HOUR, path, bytes },
        { rebuild },
      );
    const lines = ['/c', '/a', '/b', '/a', '/d', '/a'].map((name) => line(name));
    store(lines.join(''));
    for (let end = 1; end <= lines.length; end++) run(lines.slice(0, end).join('').length);
    const grown = readSummaryText();
    run(lines.join('').length, true);
    expect(readSummaryText()).toBe(grown);
    expect(JSON.parse(grown ?? '')).toMatchObject({
      totalRequests: 6,
      requestsPerPath: { '/a': 3, '/c': 1 },
      other: { requestsPerPath: 2, requestsPerUserAgent: 0 },
    });
  });

  it('reads a summary that an older version made larger than the limit: the largest stay', () => {
    store(['/a', '/b', '/b', '/c'].map((name) => line(name)).join(''));
    summarise();
    summaries = createSummaryFiles({ analyticsDir: join(folder, 'analytics'), durability: 'os', maxKeys: 1 });
    fs.appendFileSync(path, line('/a'));
    expect(summarise()).toMatchObject({ records: 1, warnings: [] });
    expect(summaries.read(at(HOUR))?.total).toBe(5);
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/b': 2 });
  });

  it('counts from the start when asked to', () => {
    store(line('/a') + line('/b'));
    summarise();
    store(line('/c') + line('/d'));
    expect(summarise(undefined, { rebuild: true })).toMatchObject({ outcome: 'written', records: 2, warnings: [] });
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/c': 1, '/d': 1 });
  });

  it('fails when the summary cannot be written, and counts nothing twice afterwards', () => {
    store(line('/a'));
    const file = summaryPath(join(folder, 'analytics'), at(HOUR));
    fs.mkdirSync(dirname(dirname(file)), { recursive: true });
    fs.writeFileSync(dirname(file), 'in the way');
    expect(() => summarise()).toThrow(/^cannot (read|write) summary path=/);
    fs.rmSync(dirname(file));
    expect(summarise()).toMatchObject({ outcome: 'written', records: 1 });
  });

  it('gives the same file bit by bit as counting from the start', () => {
    const key = fc.oneof(
      fc.constantFrom('/', '/a', '__proto__', 'constructor', '123', '', '7'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const part = fc.oneof(
      fc.tuple(key, key).map(([p, u]) => line(p, u)),
      fc.constantFrom('rubbish\n', '\n', '{"path":1}\n'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 5 }), (parts, cuts) => {
        store(parts.join(''));
        const size = fs.statSync(path).size;
        for (const cut of cuts.map((n) => n % (size + 1)).sort((a, b) => a - b)) summarise(cut);
        summarise(size);
        const grown = readSummaryText();
        summarise(size, { rebuild: true });
        expect(grown ?? 'none').toBe(readSummaryText() ?? 'none');
        fs.rmSync(join(folder, 'analytics'), { recursive: true, force: true });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a compressed hour of which a frame is damaged', () => {
  const texts = ['/a', '/b', '/c'].map((name) => line(name) + line(name));
  const all = Buffer.from(texts.join(''));

  async function compress(damaged: number): Promise<CommittedHour> {
    const parts = [FILE_START];
    let [length, lines] = [FILE_START.length, 0];
    for (const [i, text] of texts.entries()) {
      const { buffers, bytes } = await encodeFrames([{ lines: Buffer.from(text), records: 2 }], lines);
      if (i === damaged) buffers[0]?.fill(0, 10, 12);
      parts.push(...buffers);
      length += bytes;
      lines += text.length;
    }
    fs.writeFileSync(`${path}.zst`, Buffer.concat(parts));
    return { stream: 'access', hour: HOUR, path: `${path}.zst`, bytes: lines, frames: { length, lines } };
  }
  const summariseHour = (committed: CommittedHour) =>
    createHourSummariser({ openHour, damagedRange, summaries, streams: [ACCESS_STREAM] })(committed);

  it.each([0, 1, 2])('is counted but for frame %i, once, and the place is told', async (damaged) => {
    const committed = await compress(damaged);
    const report = summariseHour(committed);
    expect(report).toMatchObject({ outcome: 'written', bytes: all.length, records: 4, skippedLines: 1, warnings: [] });
    const offset = texts.slice(0, damaged).join('').length;
    expect(report.damage).toEqual([
      {
        offset,
        bytes: texts[damaged]?.length,
        position: expect.any(Number),
        reason: expect.stringContaining('its checksum does not hold'),
      },
    ]);
    const counted = ['/a', '/b', '/c'].filter((_, i) => i !== damaged);
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual(Object.fromEntries(counted.map((name) => [name, 2])));
    expect(summaries.read(at(HOUR))?.source.bytes).toBe(all.length);
    expect(summariseHour(committed)).toMatchObject({ outcome: 'unchanged', damage: [] });
  });

  it('keeps what was counted before the damage', async () => {
    summariseHour(await compress(-1));
    expect(summariseHour(await compress(2))).toMatchObject({ outcome: 'unchanged', warnings: [] });
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/a': 2, '/b': 2, '/c': 2 });
  });
});
