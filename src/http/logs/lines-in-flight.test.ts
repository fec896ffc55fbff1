import { expect, test } from 'vitest';
import { NoRoomError } from '../../lines/batch-limits.ts';
import type { Ingest } from '../../service/service.ts';
import { ACCEPTED, startFixture } from '../contract/contract-fixture.case.ts';
import { createHttpServer } from '../server/server.ts';

const MAX_IN_FLIGHT = 1_000;

test('the memory that ingest makes for the lines counts as in flight until the outcome, under the same limit', async () => {
  const going = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const ingest: Ingest = async ({ memory }) => {
    expect(memory?.grow(900)).toBe(true);
    expect(memory?.grow(900)).toBe(false);
    entered.resolve();
    await going.promise;
    return ACCEPTED;
  };
  const { post, metric } = await startFixture(createHttpServer, {
    ingest,
    limits: { maxInFlightBytes: MAX_IN_FLIGHT },
  });
  const first = post();
  await entered.promise;
  expect(await metric('logforge_http_in_flight_bytes')).toBeGreaterThan(900);
  expect((await post({ body: ' '.repeat(200) })).status).toBe(503);
  going.resolve();
  expect((await first).status).toBe(202);
  expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
});

test('a batch that finds no room for its lines gives back what it had', async () => {
  const ingest: Ingest = async ({ memory }) => {
    if (memory?.grow(900) !== true || memory.grow(900)) throw new Error('the limit does not hold');
    throw new NoRoomError('there is no room for the lines of the batch');
  };
  const { post, metric } = await startFixture(createHttpServer, {
    ingest,
    limits: { maxInFlightBytes: MAX_IN_FLIGHT },
  });
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await post();
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
  }
  expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
});
