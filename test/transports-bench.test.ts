import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { describeCell, listCells, readTransports, SIZES } from '../bench/transports/cells.ts';
import { drawPlots, fillPage, renderParts } from '../bench/transports/page.ts';
import { drawCurves } from '../bench/transports/plot.ts';
import { createCounter, makeBlock, numberRecords, readTime, timeRecords } from '../bench/transports/records.ts';
import { lostShare, type Measurement, percent } from '../bench/transports/results.ts';
import type { Result } from '../bench/transports/run.ts';
import { readSummary } from '../bench/transports/trace.ts';
import { createDecoders } from '../src/decode/decoders.ts';
import { runToEnd } from '../src/decode/pace.ts';
import { EVENTS_STREAM } from '../src/model/stream.ts';
import { DECODE_OPTIONS } from './support/decode-options.ts';
import { REPOSITORY } from './support/service.ts';

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'logforge-transports-test-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('the comparison of transports', () => {
  it('measures a transport: what is sent is what is stored, and each figure is there', async () => {
    const out = join(dir, 'results.json');
    const rowFlags = ['--quick', '--only', 'unixsock', '--rows', 'main,latency', '--senders', '5'];
    const flags = [...rowFlags, '--seconds', '0.4', '--warm-up', '0.1'];
    const page = readFileSync(join(REPOSITORY, 'docs/transports.md'), 'utf8');
    const { stdout } = await run(process.execPath, ['bench/transports.ts', ...flags, '--print', '--out', out], {
      cwd: REPOSITORY,
    });
    const { rows } = JSON.parse(readFileSync(out, 'utf8')) as Measurement;
    expect(rows.map(({ cell }) => [cell.part, cell.producers])).toEqual([
      ['main', 5],
      ['latency', 5],
    ]);
    for (const { cell, runs, failure } of rows) {
      expect(failure).toBeUndefined();
      const [result] = runs;
      expect(result).toMatchObject({ lost: 0, duplicates: 0, outOfOrder: 0, broken: 0, stored: result?.sent });
      expect(result?.sent).toBeGreaterThan(cell.part === 'main' ? 1_000 : 100);
      expect(result?.recordsPerSecond).toBeGreaterThan(0);
      expect(result?.receiverCpu).toBeGreaterThan(0);
      expect(result?.sendersCpu).toBeGreaterThan(0);
      if (cell.part === 'latency') expect(result?.latencyMs?.p99).toBeGreaterThan(result?.latencyMs?.p50 ?? 0);
    }
    expect(stdout).toContain('| Unix stream socket | 5 |');
    expect(readFileSync(join(REPOSITORY, 'docs/transports.md'), 'utf8')).toBe(page);
  }, 60_000);

  it('names a transport that there is not', () => {
    expect(readTransports('tcp,udp')).toEqual(['tcp', 'udp']);
    expect(() => readTransports('tcp,pigeon')).toThrow('there is no transport pigeon; there are unixsock, tcp,');
  });

  it('has no row twice, and one size when it is quick', () => {
    const names = listCells({ quick: false, only: undefined }).map(describeCell);
    expect(new Set(names).size).toBe(names.length);
    const quick = listCells({ quick: true, only: ['udp'] });
    expect(new Set(quick.map(({ size, transport }) => `${transport} ${size}`))).toEqual(new Set([`udp ${SIZES[0]}`]));
  });
});

describe('its records', () => {
  const block = (first: number) => {
    const bytes = makeBlock({ producer: 0, size: 100, count: 3 });
    numberRecords(bytes, 0, 100, first);
    return bytes;
  };
  const counts = (sent: readonly number[], ...parts: readonly Buffer[]) => {
    const path = join(dir, 'hour.log.json');
    writeFileSync(path, Buffer.concat(parts));
    const counter = createCounter(100, sent);
    return counter.addFile(path).then(() => counter.counts());
  };

  it.each(SIZES)('are lines of %i bytes that the service stores as they are', (size) => {
    const bytes = makeBlock({ producer: 4, size, count: 20 });
    numberRecords(bytes, 0, size, 12_345_670);
    timeRecords(bytes, 0, size, 987_654_321);
    expect(bytes.length).toBe(20 * size);
    const { accepted, batch } = runToEnd(createDecoders(EVENTS_STREAM).ndjson(bytes, DECODE_OPTIONS));
    expect(accepted).toBe(20);
    expect(Buffer.concat(batch.map(({ lines }) => lines)).equals(bytes)).toBe(true);
    expect(readTime(bytes, 19 * size)).toBe(987_654_321);
    expect(bytes.toString('latin1', 19 * size, 20 * size)).toContain('"message":"412345689987654321');
  });

  it('are counted when all are there', async () => {
    const all = { stored: 6, lost: 0, duplicates: 0, outOfOrder: 0, broken: 0 };
    expect(await counts([6], block(0), block(3))).toEqual(all);
  });

  it('are missed, found twice, found late and found broken', async () => {
    expect(await counts([9], block(0), block(6))).toMatchObject({ stored: 6, lost: 3 });
    expect(await counts([3], block(0), block(0))).toMatchObject({ stored: 3, duplicates: 3, outOfOrder: 0 });
    expect(await counts([6], block(3), block(0))).toMatchObject({ stored: 6, lost: 0, outOfOrder: 3 });
    const mixed = Buffer.concat([block(0).subarray(0, 150), block(3)]);
    expect(await counts([6], mixed)).toMatchObject({ stored: 3, lost: 3, broken: 1 });
    expect(await counts([2], block(0))).toMatchObject({ stored: 2, broken: 1 });
  });

  it('must end in a newline', async () => {
    await expect(counts([3], block(0).subarray(0, 299))).rejects.toThrow(/its last line has no end/);
  });
});

describe('its page', () => {
  const result: Result = {
    ...{ sent: 1_000_000, stored: 1_000_000, lost: 0, duplicates: 0, outOfOrder: 0, broken: 0, dropped: 0 },
    ...{ recordsPerSecond: 1_000_000, sentPerSecond: 1_000_000, sendersCpu: 0.1, receiverCpu: 0.4, peakMegabytes: 100 },
    latencyMs: { p50: 4, p99: 9 },
    calls: { senders: { total: 2_000, most: [] }, receiver: { total: 500_000, most: [] } },
  };
  const measurement = (change: (name: string) => Partial<Result>): Measurement => ({
    date: '2026-01-31T12:00:00.000Z',
    machine: {
      ...{ model: 'a model', cpus: 2, memoryGiB: 8, kernel: 'linux 6', node: 'v26.0.0', syncsPerSecond: 1_000 },
      ...{ syncedMegabytesPerSecond: 500, receiveBuffer: 4_194_304, datagramQueue: 10 },
    },
    ...{ seconds: 2, warmUpSeconds: 0.5 },
    rows: listCells({ quick: false, only: undefined }).map((cell) => ({
      cell,
      runs: [{ ...result, ...change(describeCell(cell)) }],
    })),
  });

  it('has a place for each part, and says what was not measured', () => {
    const page = readFileSync(join(REPOSITORY, 'docs/transports.md'), 'utf8');
    const all = measurement(() => ({}));
    const filled = fillPage(page, renderParts(all));
    expect(filled).not.toContain('Not measured');
    expect(filled).not.toMatch(/NaN|undefined|Infinity/);
    expect(fillPage(filled, renderParts(all))).toBe(filled);
    const rows = all.rows.map((row) =>
      row.cell.transport === 'tls' ? { ...row, runs: [], failure: 'no openssl' } : row,
    );
    const without = fillPage(page, renderParts({ ...all, rows }));
    expect(without).toMatch(/- main, tls, 100 B, 1 × 655 a write: no openssl/);
    expect(filled).not.toContain('strace is absent');
    const uncounted = renderParts(measurement(() => ({ calls: undefined })));
    expect(uncounted.machine).toContain('System calls were not counted: strace is absent');
    expect(() => fillPage('# Transports', renderParts(all))).toThrow(/no markers/);
  });

  it('judges an expectation by its figures, either way', () => {
    const judge = (change: (name: string) => Partial<Result>) => renderParts(measurement(change)).expectations ?? '';
    expect(judge((name) => (name.startsWith('main, udp') ? { lost: 250_000 } : {}))).toMatch(
      /"some of the same downsides": \*\*right\.\*\* One sender: 25\.0 % lost/,
    );
    expect(judge(() => ({}))).toMatch(/"some of the same downsides": \*\*wrong/);
    const cheap = (name: string) => (name.startsWith('cost, unixsock') ? { receiverCpu: 0.2 } : {});
    expect(judge(cheap)).toMatch(/2\. TCP: \*\*right/);
    expect(judge(() => ({}))).toMatch(/2\. TCP: \*\*wrong/);
    const { rows, ...rest } = measurement(() => ({}));
    const few = rows.filter(({ cell }) => cell.transport !== 'fifo');
    expect(renderParts({ ...rest, rows: few }).expectations).toMatch(/5\. FIFO: \*\*not measured in full/);
  });

  it('has plots for light and dark, without anything from elsewhere', () => {
    const plots = drawPlots(measurement(() => ({ lost: 1_000 })));
    expect(Object.keys(plots)).toEqual(['transports-throughput.svg', 'transports-loss.svg']);
    for (const svg of Object.values(plots)) {
      expect(svg).toContain('prefers-color-scheme: dark');
      expect(svg).not.toMatch(/NaN|undefined|href|<script|Infinity/);
    }
    expect(
      drawCurves({ title: 'a < "b" & c', xTitle: 'x', yTitle: 'y', series: [{ name: 's', points: [[0, 0]] }] }),
    ).toContain('aria-label="a &lt; &quot;b&quot; &amp; c"');
  });

  it('shows shares that are small as such', () => {
    expect([0, 0.000001, 0.0012, 0.5].map(percent)).toEqual(['0', '< 0.01 %', '0.12 %', '50.0 %']);
    expect(lostShare({ lost: 0, sent: 0 })).toBe(0);
  });
});

describe('the system calls', () => {
  it('are read from the table of strace', () => {
    const summary = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 58.49    0.004237           4      1002           writev
 41.51    0.003007           3       800        12 futex
  0.00    0.000000           0         1           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.007244           4      1803        12 total
`;
    expect(readSummary(summary)).toEqual({
      total: 1_803,
      most: [
        ['writev', 1_002],
        ['futex', 800],
        ['read', 1],
      ],
    });
  });
});
