import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import type { Slice } from '../../inputs/files/files.ts';
import { replayFiles } from './replay.ts';
import { accessLine } from './slice-fixture.case.ts';

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
      notify: () => undefined,
      begin: () => undefined,
      warn: () => undefined,
      fault: (_, error) => expect.unreachable(error.message),
      delivered: (slice: Slice, outcome?: unknown) => void (outcome === undefined && delivered.push(slice)),
    },
    signal: stop.signal,
  });
  expect(results).toMatchObject([{ outcome: 'stopped' }]);
  // One more was read before the interruption.
  expect(received).toEqual(['/a', '/b'].map((path) => accessLine(path)));
  expect(delivered).toHaveLength(2);
});
