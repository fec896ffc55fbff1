import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import type { Slice } from '../../inputs/files/files.ts';
import { problem, startScriptedService } from '../../outputs/http/scripted-service.case.ts';
import { replayFiles } from './replay.ts';
import { accessLine } from './slice-fixture.case.ts';

const noReport = {
  notify: () => undefined,
  begin: () => undefined,
  warn: () => undefined,
  fault: (_: string, error: Error) => expect.unreachable(error.message),
  delivered: () => undefined,
};

it('stores what comes through a pipe, though one of its name began alike and the checkpoint is kept', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-replay-'));
  const service = await startScriptedService();
  onTestFinished(async () => {
    await service.close();
    rmSync(folder, { recursive: true });
  });
  const log = join(folder, 'plain.log');
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const same = Array.from({ length: 20 }, (_, i) => accessLine(`/${i}`)).join('');
  writeFileSync(log, same);
  const send = async (piped: string) => {
    const writing = writeFile(pipe, piped);
    const results = await replayFiles([log, pipe], {
      url: service.url,
      retries: 0,
      stream: 'access',
      readAs: { format: undefined, zone: 0, fields: 'all' },
      batch: undefined,
      rate: Number.POSITIVE_INFINITY,
      concurrency: 1,
      checkpoint: join(folder, 'checkpoint'),
      source: 'test',
      rejects: undefined,
      stdin: (async function* () {})(),
      report: noReport,
    });
    await writing;
    return results.map(({ outcome }) => outcome);
  };
  expect(await send(same + accessLine('/one'))).toEqual(['read', 'read']);
  expect(await send(same + accessLine('/two'))).toEqual(['read', 'read']);
  const ends = service.stored().filter((line) => /one|two/.test(line));
  expect(ends).toEqual([accessLine('/one').trimEnd(), accessLine('/two').trimEnd()]);

  // Another content with the same key: of a pipe that is no duplicate.
  service.replyNext(problem(422, 'idempotency-conflict'));
  expect(await send(same + accessLine('/six'))).toEqual(['read', 'undelivered']);
});

it('waits for the answer of a request when it is interrupted, and reads no further', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-replay-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const log = join(folder, 'access.log');
  writeFileSync(log, ['/a', '/b', '/c', '/d'].map((path) => accessLine(path)).join(''));
  const stop = new AbortController();
  const received: string[] = [];
  const server = createServer(async (request, response) => {
    received.push(await text(request));
    // The batch is stored, and the answer is on its way.
    stop.abort(new Error('interrupted'));
    setTimeout(() => response.writeHead(202).end('{"accepted":1}'), 50);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const delivered: Slice[] = [];

  const results = await replayFiles([log], {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    retries: 0,
    stream: 'access',
    readAs: { format: undefined, zone: 0, fields: 'all' },
    batch: 1,
    rate: Number.POSITIVE_INFINITY,
    concurrency: 1,
    checkpoint: undefined,
    source: 'test',
    rejects: undefined,
    stdin: (async function* () {})(),
    report: {
      ...noReport,
      delivered: (slice: Slice, outcome?: unknown) => void (outcome === undefined && delivered.push(slice)),
    },
    signal: stop.signal,
  });
  expect(results).toMatchObject([{ outcome: 'stopped' }]);
  // One more was read before the interruption.
  expect(received).toEqual(['/a', '/b'].map((path) => accessLine(path)));
  expect(delivered).toHaveLength(2);
});
