import { describe, expect, test } from 'vitest';
import { type CreateServer, postBytes, problemOf, startFixture } from './contract-fixture.case.ts';

const get = (target: string, host: string) => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const ADMIN = 'POST /admin/aggregate HTTP/1.1\r\nContent-Length: 0\r\nX-API-Key: k\r\n';
const RUN = { written: 1, unchanged: 0, missing: 0, failed: 0, bytes: 0, records: 0, skippedLines: 0, seconds: 0 };

/** Against web pages of other sites. */
export function describeHosts(create: CreateServer): void {
  describe('on a loopback address', () => {
    test.each([
      '/',
      '/assets/page.js',
      '/events',
      '/events/tail',
      '/api/overview',
      '/api/hours',
      '/api/breakdown',
      '/api/disk',
      '/analytics',
      '/stats',
      '/version',
      '/docs',
      '/openapi.json',
      '/admin/aggregate',
      '/nowhere',
      '/%61pi/overview',
    ])('refuses %s under the name of another site', async (target) => {
      const { ask } = await startFixture(create, { hosts: [] });
      const answer = await ask(get(target, 'evil.example:8082'));
      expect(answer.status).toBe(421);
      expect(problemOf(answer)).toMatchObject({
        type: 'urn:logforge:problem:misdirected-request',
        detail: 'host evil.example is not served here; add it to server.hosts',
      });
    });

    test.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '[::1]:8082'])('serves the page as %s', async (host) => {
      const { ask } = await startFixture(create, { hosts: [] });
      expect((await ask(get('/', host))).status).toBe(200);
    });

    test('serves batches and probes under any name', async () => {
      const { ask, post } = await startFixture(create, { hosts: ['logs.example'] });
      expect((await post()).status).toBe(202);
      expect((await ask(postBytes({ headers: ['TE: trailers'] }))).status).toBe(202);
      for (const target of ['/health', '/ready', '/metrics']) expect((await ask(get(target, 'b'))).status).toBe(200);
    });

    test('serves /metrics as JSON under any name, but no record in it', async () => {
      const { ask } = await startFixture(create, { hosts: ['logs.example'] });
      const samplesFor = async (host: string) => {
        const { status, body } = await ask(
          `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n\r\n`,
        );
        return [status, JSON.parse(body).samples.json];
      };
      expect(await samplesFor('logs.example')).toEqual([200, ['{"a":1}']]);
      expect(await samplesFor('evil.example')).toEqual([200, []]);
    });

    test('serves listed names alone, and goes by an absolute target rather than by Host', async () => {
      const { ask } = await startFixture(create, { hosts: ['logs.example'] });
      expect((await ask(get('/version', 'Logs.Example.:80'))).status).toBe(200);
      expect((await ask(get('/version', 'localhost'))).status).toBe(421);
      expect((await ask(get('http://evil.example/version', 'logs.example'))).status).toBe(421);
      expect((await ask('GET /version HTTP/1.0\r\n\r\n')).status).toBe(200);
    });
  });

  test.each([
    ['Sec-Fetch-Site: cross-site', 403],
    ['Origin: http://evil.example', 403],
    ['Origin: null', 403],
    ['Origin: http://a', 200],
    ['Sec-Fetch-Site: same-origin', 200],
    ['Accept: */*', 200],
  ])('POST /admin/aggregate with a valid key and %s: %i', async (header, status) => {
    const { ask } = await startFixture(create, { auth: { enabled: true, keys: ['k'] }, aggregate: async () => RUN });
    expect((await ask(`${ADMIN}Host: a\r\n${header}\r\n\r\n`)).status).toBe(status);
  });
}
