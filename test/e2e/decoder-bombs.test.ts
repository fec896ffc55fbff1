import { readFile } from 'node:fs/promises';
import zlib from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../support/client.ts';
import { removeDirs, startService } from '../support/service.ts';

const { constants } = zlib;
const MIB = 1024 * 1024;
const RECORD = '[{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}]';
const SPACES = Buffer.alloc(64 * MIB, ' ');

/** 64 MiB of spaces, each with the largest window of its coding: 51 bytes of brotli. */
const BOMBS: readonly (readonly [string, Buffer])[] = [
  [
    'br',
    zlib.brotliCompressSync(SPACES, {
      params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 9 },
    }),
  ],
  ['zstd', zlib.zstdCompressSync(SPACES, { params: { [constants.ZSTD_c_windowLog]: 23 } })],
  ['gzip', zlib.gzipSync(SPACES)],
];

/** Resident memory of a process, in bytes: the most since its start. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

it('a hundred bodies at once that unpack to far more take little memory, and other clients are answered', async () => {
  const service = await startService();
  const bombs = createClient(service.port, { connections: 100 });
  const honest = createClient(service.port);
  onTestFinished(async () => {
    bombs.close();
    honest.close();
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  });
  const rest = await peakMemory(service.pid);
  for (const [coding, body] of BOMBS) {
    let isOver = false;
    const all = Array.from({ length: 100 }, () => bombs.post(body, { 'Content-Encoding': coding }));
    const attack = Promise.all(all).finally(() => {
      isOver = true;
    });
    const waits: number[] = [];
    while (!isOver) {
      const begun = performance.now();
      expect((await honest.post(RECORD)).status).toBe(202);
      expect((await honest.get('/health')).status).toBe(200);
      waits.push(performance.now() - begun);
    }
    const statuses = new Set((await attack).map(({ status }) => status));
    expect([...statuses].filter((status) => status !== 413 && status !== 503)).toEqual([]);
    // Seconds, when the first MiB of each was unpacked on the thread that serves all clients.
    expect(Math.max(...waits)).toBeLessThan(3_000);
  }
  // 2 GiB, when nothing counted their windows.
  expect((await peakMemory(service.pid)) - rest).toBeLessThan(400 * MIB);
}, 60_000);
