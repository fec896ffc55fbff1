import { describe, expect, test } from 'vitest';
import { BODY, type CreateServer, postBytes, problemOf, startFixture } from './contract-fixture.case.ts';

/** Requests that only node:http reads. */
const UNUSUAL = { headers: ['X-Twice: 1', 'X-Twice: 2'] };

export function describeStreams(create: CreateServer): void {
  describe('takes records of any stream', () => {
    test.each([
      ['/logs', 'access'],
      ['/logs/access', 'access'],
      ['/logs?invalid=reject', 'access'],
      ['/logs/events', 'events'],
      ['/logs/events?invalid=skip', 'events'],
      ['/logs/%65vents', 'events'],
      ['/logs/../logs/events', 'events'],
    ])('POST %s is for %s, by both readers of requests', async (target, stream) => {
      const { post, ingested } = await startFixture(create);
      for (const options of [{}, UNUSUAL]) expect((await post({ ...options, target })).status).toBe(202);
      expect(ingested.map((request) => [request.stream, request.body.toString()])).toEqual([
        [stream, BODY],
        [stream, BODY],
      ]);
    });

    test.each([
      ['/logs/event', 'there is no stream "event"; did you mean events?'],
      ['/logs/EVENTS', 'there is no stream "EVENTS"; did you mean events?'],
      ['/logs/orders', 'there is no stream "orders"; there are access, events'],
      ['/logs/events/', 'there is no stream "events/"; did you mean events?'],
      ['/logs/a%2fb', 'there is no stream "a%2fb"; there are access, events'],
      ['/logs/..%2f..%2fetc', 'there is no stream "..%2f..%2fetc"; there are access, events'],
      ['/logs/', 'there is no stream ""; there are access, events'],
      ['/logs/__proto__', 'there is no stream "__proto__"; there are access, events'],
    ])('POST %s is answered 404, and nothing is stored', async (target, detail) => {
      const { post, ingested } = await startFixture(create);
      for (const options of [{}, UNUSUAL]) {
        const answer = await post({ ...options, target });
        expect([answer.status, problemOf(answer).detail]).toEqual([404, detail]);
      }
      expect(ingested).toEqual([]);
    });

    test('another method is not allowed on a stream, and a stream that there is not has none', async () => {
      const { get } = await startFixture(create);
      const answer = await get('/logs/events');
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
      expect(problemOf(await get('/logs/nothing')).detail).toContain('there is no stream "nothing"');
    });

    test('the requests of all streams count as those of one route', async () => {
      const { ask, metric } = await startFixture(create);
      await ask(postBytes());
      await ask(postBytes({ target: '/logs/events' }));
      const count = 'logforge_http_request_duration_seconds_count{route="/logs",status="2xx"}';
      expect(await metric(count)).toBe(2);
    });
  });
}
