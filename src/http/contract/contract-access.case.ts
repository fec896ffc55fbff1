import { describe, expect, test } from 'vitest';
import type { AccessClass } from '../access.ts';
import { ROUTES } from '../api/routes.ts';
import type { HttpAuth } from '../auth.ts';
import { type CreateServer, type Fixture, problemOf, startFixture } from './contract-fixture.case.ts';

/** The class of each route: written a second time, so that a change of the table shows. */
const CLASSES: Readonly<Record<string, AccessClass | 'metrics'>> = {
  'POST /logs': 'send',
  'POST /logs/events': 'send',
  'GET /logs': 'open',
  'GET /logs/events': 'send',
  'GET /health': 'open',
  'GET /ready': 'open',
  'GET /version': 'open',
  'GET /openapi.json': 'open',
  'GET /docs': 'open',
  'GET /': 'open',
  'GET /assets/app.js': 'open',
  'GET /metrics': 'metrics',
  'HEAD /metrics': 'metrics',
  'GET /analytics': 'read',
  'GET /records': 'read',
  'HEAD /records': 'read',
  'HEAD /analytics': 'read',
  'DELETE /analytics': 'read',
  'GET /streams': 'read',
  'GET /stats': 'read',
  'HEAD /stats': 'read',
  'POST /store/batch': 'send',
  'GET /store/log': 'read',
  'HEAD /store/log': 'read',
  'GET /store/files': 'read',
  'GET /ruok': 'open',
  'GET /events': 'read',
  'HEAD /events': 'read',
  'GET /events/tail': 'read',
  'GET /api/overview': 'read',
  'GET /%61pi/overview': 'read',
  'GET /x/../api/overview': 'read',
  'GET /api/hours': 'read',
  'GET /api/breakdown': 'read',
  'GET /api/disk': 'read',
  'GET /api/later': 'read',
  'POST /admin/aggregate': 'admin',
  'GET /admin/aggregate': 'admin',
  'GET /registry/subjects': 'read',
  'GET /registry/schemas/ids/1': 'read',
  'POST /registry/subjects/events': 'read',
  'POST /registry/subjects/events/versions': 'admin',
  'PUT /registry/config': 'admin',
  'DELETE /registry/subjects/events': 'admin',
  'PATCH /registry/config': 'admin',
  'POST /registry/compatibility/subjects/events/versions/latest': 'read',
  'GET /schema/list': 'read',
  'POST /schema/validate': 'read',
  'POST /schema/register': 'admin',
};

const AUTH: Partial<HttpAuth> = { enabled: true, keys: ['sender'], readKeys: ['reader'], adminKeys: ['admin'] };
const KEYS = { send: 'sender', read: 'reader', admin: 'admin' } as const;

async function statusOf({ ask }: Fixture, line: string, key?: string): Promise<number> {
  const header = key === undefined ? '' : `X-API-Key: ${key}\r\n`;
  return (await ask(`${line} HTTP/1.1\r\nHost: a\r\n${header}Content-Length: 0\r\n\r\n`)).status;
}

/** What a request without a key of its class is answered. */
const REFUSED = [401, 403];

export function describeAccess(create: CreateServer): void {
  describe('every route has a class of keys', () => {
    test('the table above names every route', () => {
      const driven = new Set(Object.keys(CLASSES).map((line) => line.split(' ')[1]));
      expect(ROUTES.filter((route) => !driven.has(route))).toEqual([]);
    });

    test.each(Object.entries(CLASSES))('%s: %s', async (line, access) => {
      for (const metrics of [false, true]) {
        const service = await startFixture(create, { auth: { ...AUTH, metrics } });
        const wanted = access === 'metrics' ? (metrics ? 'read' : 'open') : access;
        // An open stream has no end: whether it opens is seen by another test.
        const isStream = line.startsWith('GET /events');
        const [none, wrong] = [await statusOf(service, line), await statusOf(service, line, 'wrong')];
        if (wanted === 'open') expect([none, wrong].filter((status) => REFUSED.includes(status))).toEqual([]);
        else expect([none, wrong]).toEqual([401, 401]);
        for (const [name, key] of Object.entries(KEYS)) {
          if (isStream && name === wanted) continue;
          const status = await statusOf(service, line, key);
          if (wanted === 'open' || wanted === name) expect(REFUSED).not.toContain(status);
          else expect([name, status]).toEqual([name, 403]);
        }
        expect(service.ingested).toEqual([]);
      }
    });

    test('without read keys and admin keys, the keys that send have these classes', async () => {
      const service = await startFixture(create, { auth: { enabled: true, keys: ['k'] } });
      for (const line of ['GET /analytics', 'GET /api/hours', 'POST /admin/aggregate']) {
        expect(await statusOf(service, line)).toBe(401);
        expect(REFUSED).not.toContain(await statusOf(service, line, 'k'));
      }
    });

    test('a key of another class is told which list to use', async () => {
      const { ask, metric } = await startFixture(create, { auth: AUTH });
      const answer = await ask('GET /analytics HTTP/1.1\r\nHost: a\r\nX-API-Key: sender\r\n\r\n');
      expect(problemOf(answer)).toMatchObject({
        type: 'urn:logforge:problem:forbidden',
        detail: 'this API key may not read; use one of auth.readKeys',
      });
      expect(await metric('logforge_http_auth_failures_total')).toBe(1);
    });

    test.each(['/nowhere', '/admin', '/api', '/registry', '/docs/', '//metrics'])('%s is no route', async (path) => {
      const { get } = await startFixture(create, { auth: AUTH });
      const answer = await get(path);
      expect([answer.status, problemOf(answer).detail]).toEqual([404, `no such route: ${path}`]);
    });

    test('without auth no route needs a key, and what web pages of other sites post to admin routes is refused', async () => {
      const { ask, get } = await startFixture(create);
      expect((await get('/analytics')).status).toBe(400);
      expect((await get('/registry/subjects')).status).toBe(200);
      const head = 'POST /registry/subjects/a/versions HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n';
      expect((await ask(`${head}Origin: http://evil.example\r\n\r\n`)).status).toBe(403);
      expect((await ask(`${head}\r\n`)).status).toBe(415);
    });
  });
}
