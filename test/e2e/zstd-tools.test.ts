import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decodeTrailer, TRAILER_BYTES } from '../../src/repo/hour-frames.ts';
import { createClient } from '../support/client.ts';
import { ensurePackage, INSTALL_TIMEOUT_MS, isOnPath } from '../support/debian.ts';
import { createRandom } from '../support/random.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

/* The tools of Debian's package zstd read a compressed hour as it is: while it is written, after a kill, and with a torn end. */

const PROGRAMS = ['zstd', 'zstdcat', 'zstdgrep'];
const areThere = () => PROGRAMS.every(isOnPath);
const run = promisify(execFile);
const env = { LOGFORGE_STORAGE_COMPRESSION: 'zstd', LOGFORGE_AGGREGATION_INTERVAL: '1h' };
const RECORDS = 2_000;

beforeAll(async () => {
  if (process.env.CI !== undefined || process.getuid?.() === 0) await ensurePackage('zstd', areThere);
  else if (!areThere()) process.stderr.write('zstd is not installed: the tests of its tools check nothing\n');
}, INSTALL_TIMEOUT_MS);

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(dirs?: Dirs): Promise<Service> {
  const folders = dirs ?? (await makeDirs());
  if (dirs === undefined) cleanups.push(() => removeDirs(folders));
  const service = await startService({ dirs: folders, env });
  cleanups.push(() => service.stop('SIGKILL'));
  return service;
}

const hourFile = ({ dirs }: Service) => join(dirs.logs, '2015-05-17', '10.log.json.zst');

/** Sends batches, each large enough to be a frame of its own, until `isEnough`; gives how many were answered. */
async function send({ port }: Service, isEnough: (answered: number) => boolean): Promise<number> {
  const client = createClient(port);
  let answered = 0;
  try {
    while (!isEnough(answered)) {
      const records = Array.from({ length: RECORDS }, (_, n) => {
        const userAgent = `agent ${'x'.repeat(150)}`;
        return `{"timestamp":"2015-05-17T10:00:00Z","path":"/b${answered}/${n}","userAgent":"${userAgent}"}`;
      });
      const { status } = await client.post(records.join('\n'), { 'content-type': 'application/x-ndjson' });
      expect(status).toBe(202);
      answered++;
    }
  } finally {
    client.close();
  }
  return answered;
}

const cat = async (path: string): Promise<string> => (await run('zstdcat', [path], { maxBuffer: 1 << 28 })).stdout;

/** `zstdcat` fails at a torn end, and has written the whole frames before it. */
async function catTorn(path: string): Promise<string> {
  return cat(path).catch((error: { stdout?: string; stderr?: string }) => {
    expect(error.stderr).toMatch(/premature end|unknown header|unsupported format/i);
    return error.stdout ?? '';
  });
}

function expectWholeLines(text: string): string[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  const lines = text.split('\n').slice(0, -1);
  for (const line of lines) JSON.parse(line);
  return lines;
}

describe('the tools of zstd', () => {
  it('read a live file while load runs: what was answered is there', async () => {
    if (!areThere()) return;
    const service = await start();
    await send(service, (answered) => answered >= 1);
    let isDone = false;
    const load = send(service, () => isDone);
    let last = 0;
    for (let round = 0; round < 5; round++) {
      // A copy, as of a backup: a reader of the live file may meet a frame that is being written.
      const copy = join(service.dirs.root, `copy-${round}.zst`);
      copyFileSync(hourFile(service), copy);
      const lines = expectWholeLines(await catTorn(copy));
      expect(lines.length).toBeGreaterThanOrEqual(Math.max(RECORDS, last));
      last = lines.length;
    }
    isDone = true;
    const answered = (await load) + 1;
    await run('zstd', ['-t', hourFile(service)]);
    expect(expectWholeLines(await cat(hourFile(service)))).toHaveLength(answered * RECORDS);
    expect((await run('zstdgrep', ['-c', '/b0/1234"', hourFile(service)])).stdout.trim()).toBe(
      answered > 1 ? '2' : '1',
    );
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });

  it('read what was answered before a kill -9, and everything after the next start', async () => {
    if (!areThere()) return;
    const service = await start();
    let answered = 0;
    const load = send(service, (count) => {
      answered = count;
      return false;
    }).catch(() => undefined);
    await eventually(() => expect(answered).toBeGreaterThanOrEqual(6));
    await service.stop('SIGKILL');
    await load;
    expect(expectWholeLines(await catTorn(hourFile(service))).length).toBeGreaterThanOrEqual(answered * RECORDS);
    const again = await start(service.dirs);
    // A small batch waits in the journal, until the stop.
    const client = createClient(again.port);
    await client.post('{"timestamp":"2015-05-17T10:00:00Z","path":"/small","userAgent":"a"}', {
      'content-type': 'application/x-ndjson',
    });
    client.close();
    expect(await again.stop()).toEqual({ code: 0, signal: null });
    await run('zstd', ['-t', hourFile(again)]);
    const lines = expectWholeLines(await cat(hourFile(again)));
    expect(lines.at(-1)).toContain('/small');
    expect(lines).toEqual((await readRecords(again.dirs)).map((record) => JSON.stringify(record)));
  });

  it('show the whole frames of a file that is cut at any byte', async () => {
    if (!areThere()) return;
    const service = await start();
    await send(service, (answered) => answered >= 3);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    const bytes = readFileSync(hourFile(service));
    const ends: { end: number; lines: number }[] = [];
    for (let end = bytes.length; end >= TRAILER_BYTES; ) {
      const frame = decodeTrailer(bytes, end - TRAILER_BYTES);
      if (frame === undefined) throw new Error(`no trailer ends at ${end}`);
      ends.unshift({ end, lines: frame.offset + frame.lines });
      end -= TRAILER_BYTES + frame.zstd;
    }
    const random = createRandom(3);
    const cuts = [
      ...ends.map(({ end }) => end),
      ...Array.from({ length: 12 }, () => random.int(TRAILER_BYTES, bytes.length)),
    ];
    for (const cut of cuts) {
      const copy = join(service.dirs.root, 'cut.zst');
      copyFileSync(hourFile(service), copy);
      truncateSync(copy, cut);
      const whole = ends.filter(({ end }) => end <= cut).at(-1)?.lines ?? 0;
      const shown = await catTorn(copy);
      expect([cut, Buffer.byteLength(shown) >= whole]).toEqual([cut, true]);
      expectWholeLines(shown.slice(0, whole));
    }
    expect(existsSync(hourFile(service)) && statSync(hourFile(service)).size).toBe(bytes.length);
  });
});
