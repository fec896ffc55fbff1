import { describe, expect, test } from 'vitest';
import { BODY, type CreateServer, problemOf, startFixture } from './contract-fixture.case.ts';

/** Read by node:http. Without them: on the fast path. */
const UNUSUAL = { headers: ['X-Twice: 1', 'X-Twice: 2'] };

export function describeMaps(create: CreateServer): void {
  describe('takes objects with a mapping, by both readers of requests', () => {
    test.each([
      ['/logs?map=caddy', 'application/json', 'caddy'],
      ['/logs/events?invalid=skip&map=app', 'application/x-ndjson', 'app'],
      ['/logs?map=%63addy', 'application/jsonl; charset=utf-8', 'caddy'],
    ])('%s with %s', async (target, contentType, map) => {
      const { post, ingested } = await startFixture(create);
      for (const options of [{}, UNUSUAL]) {
        expect((await post({ ...options, target, contentType })).status).toBe(202);
      }
      expect(ingested.map((request) => [request.map, request.body.toString()])).toEqual([
        [map, BODY],
        [map, BODY],
      ]);
    });

    test('and without one none is named', async () => {
      const { post, ingested } = await startFixture(create);
      await post({ target: '/logs?invalid=skip' });
      expect(ingested[0]).not.toHaveProperty('map');
    });

    test.each([
      ['map=nginx', 400, 'there is no mapping "nginx"; there are caddy, app'],
      ['map=', 400, 'there is no mapping ""; there are caddy, app'],
      ['map=__proto__', 400, 'there is no mapping "__proto__"; there are caddy, app'],
      ['map=caddy&map=app', 400, 'the query parameter map must be given once'],
    ])('the query %s is answered %d', async (query, status, detail) => {
      const { post, ingested } = await startFixture(create);
      for (const options of [{}, UNUSUAL]) {
        const answer = await post({ ...options, target: `/logs?${query}` });
        expect([answer.status, problemOf(answer).detail]).toEqual([status, detail]);
      }
      expect(ingested).toEqual([]);
    });

    test.each([
      ['text/csv', 'csv'],
      ['avro/binary', 'avro'],
      ['application/x-protobuf', 'protobuf'],
    ])('%s is answered 415', async (contentType, format) => {
      const { post, ingested } = await startFixture(create);
      for (const options of [{}, UNUSUAL]) {
        const answer = await post({ ...options, target: '/logs?map=caddy', contentType });
        expect([answer.status, problemOf(answer).detail]).toEqual([
          415,
          `a mapping reads JSON, and the body is ${format}; supported with map: application/json, application/x-ndjson`,
        ]);
        expect(answer.headers.get('accept')).toBe('application/json, application/x-ndjson');
      }
      expect(ingested).toEqual([]);
    });
  });
}
