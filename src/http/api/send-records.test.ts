import { once } from 'node:events';
import { createServer, get, type IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../../test/support/storage.ts';
import type { FailedQuery, QueryStop, Records, RecordsPiece } from '../../query/query.ts';
import { sendRecords } from './send-records.ts';

const PIECE = Buffer.alloc(256 * 1024, 'x');
const LIMITS = { leastBytes: 64 * 1024 * 1024, periodMs: 300 };

/** Answers a request with these pieces, one after the other. */
async function serve(pieceAt: (i: number) => RecordsPiece | FailedQuery, endsWithDamage = false) {
  const closed: QueryStop[] = [];
  let asked = 0;
  const records: Records = {
    open: () => Promise.reject(new Error('unused')),
    next: async () => pieceAt(asked++),
    close: async ({ why }) => void closed.push(why),
  };
  const server = createServer(async (_, outgoing) => {
    const failed = await sendRecords(records, 1, outgoing, { headers: {}, limits: LIMITS, endsWithDamage });
    if (failed !== undefined) outgoing.writeHead(503).end(failed.detail);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const [response] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return { response, closed, asked: () => asked };
}

const endless = (): RecordsPiece => ({
  kind: 'piece',
  bytes: new Uint8Array(PIECE),
  isLast: false,
  damaged: [],
  moreDamaged: 0,
});

it('cuts a client that takes too little, and says so to the query', async () => {
  const { closed, asked } = await serve(endless);
  await eventually(() => expect(closed).toEqual(['slow']));
  expect(asked()).toBeLessThan(60);
});

it('ends the query when the client goes', async () => {
  const { response, closed, asked } = await serve(endless);
  await once(response, 'readable');
  response.destroy();
  await eventually(() => expect(closed).toEqual(['stopped']));
  const after = asked();
  await new Promise(setImmediate);
  expect(asked()).toBeLessThanOrEqual(after + 1);
});

it('closes the query of a client that went before it was open', async () => {
  const { response } = await serve(endless);
  const outgoing = new ServerResponse(response);
  outgoing.destroy();
  const closed: QueryStop[] = [];
  const records: Records = {
    open: () => Promise.reject(new Error('unused')),
    next: () => Promise.reject(new Error('must not be asked')),
    close: async ({ why }) => void closed.push(why),
  };
  expect(await sendRecords(records, 1, outgoing, { headers: {}, limits: LIMITS })).toBeUndefined();
  expect(closed).toEqual(['stopped']);
});

it('gives back a query that fails before its first piece, and cuts the answer of one that fails later', async () => {
  const failed: FailedQuery = { kind: 'failed', why: 'failed', detail: 'no' };
  expect((await serve(() => failed)).response.statusCode).toBe(503);
  const { response } = await serve((i) => (i === 0 ? endless() : failed));
  response.resume();
  await new Promise<void>((resolve) => response.once('close', () => resolve()));
  expect([response.statusCode, response.complete]).toEqual([200, false]);
});

it('names the parts that are left out in a trailer', async () => {
  const damaged = [{ stream: 'access', hour: 397_714, offset: 10, bytes: 20, reason: 'bad checksum' }];
  const { response } = await serve(() => ({
    kind: 'piece',
    bytes: Buffer.from('{}\n'),
    isLast: true,
    damaged,
    moreDamaged: 0,
  }));
  expect(response.headers.trailer).toBe('X-Logforge-Damaged');
  response.resume();
  await once(response, 'end');
  expect(response.trailers).toEqual({ 'x-logforge-damaged': '1; 2015-05-16T10:00:00Z offset=10 bytes=20' });
  const many = Array(25).fill(damaged[0]);
  const more = await serve((i) => ({
    kind: 'piece',
    bytes: Buffer.from('{}\n'),
    isLast: i === 1,
    damaged: many,
    moreDamaged: 7,
  }));
  more.response.resume();
  await once(more.response, 'end');
  expect(more.response.trailers['x-logforge-damaged']).toMatch(
    /^64; (?:2015-05-16T10:00:00Z offset=10 bytes=20, ){20}\.\.\.$/,
  );
  const sound = await serve(() => ({
    kind: 'piece',
    bytes: Buffer.alloc(0),
    isLast: true,
    damaged: [],
    moreDamaged: 0,
  }));
  sound.response.resume();
  await once(sound.response, 'end');
  expect(sound.response.trailers).toEqual({});
});

it('names them in a last line for a client that asks for it, which it gets of a sound answer too', async () => {
  const damaged = Array.from({ length: 21 }, (_, i) => ({
    ...{ stream: 'access', hour: 397_714, offset: i, bytes: 20, reason: 'bad checksum' },
  }));
  const read = async (parts: typeof damaged) => {
    const piece = {
      kind: 'piece' as const,
      bytes: Buffer.from('{}\n'),
      isLast: true,
      damaged: parts,
      moreDamaged: 3 * parts.length,
    };
    return text((await serve(() => piece, true)).response);
  };
  expect(await read([])).toBe('{}\n{"damaged":{"parts":0,"places":[]}}\n');
  const place = '{"hour":"2015-05-16T10:00:00Z","offset":0,"bytes":20}';
  expect(await read(damaged.slice(0, 1))).toBe(`{}\n{"damaged":{"parts":4,"places":[${place}]}}\n`);
  const { damaged: all } = JSON.parse((await read(damaged)).split('\n')[1] ?? '');
  expect([all.parts, all.places.length]).toEqual([84, 20]);
});
