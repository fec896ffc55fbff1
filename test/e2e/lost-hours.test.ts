import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';

/* Files in the place of hours that cannot be looked up or opened: the other hours are read. An empty file has no records that could be lost. */

const line = (hour: string, path: string) =>
  `{"timestamp":"2015-05-17T${hour}:00:00Z","path":"${path}","userAgent":"u"}`;
const KEPT = [line('09', '/first'), line('14', '/last')];
/** By hour, what the log and the command say. */
const LOST = [
  ['10', /10\.log\.json\.zst/],
  ['12', /ELOOP/],
  ['13', /ELOOP/],
] as const;

let service: Service;

beforeAll(async () => {
  service = await startService({ env: { LOGFORGE_AGGREGATION_ENABLED: 'false' } });
  const client = createClient(service.port);
  expect((await client.post(`[${KEPT.join(',')}]`)).status).toBe(202);
  client.close();
  const day = join(service.dirs.logs, '2015-05-17');
  await mkdir(day, { recursive: true });
  await writeFile(join(day, '10.log.json.zst'), zstdCompressSync(Buffer.from(`${line('10', '/foreign')}\n`)));
  await writeFile(join(day, '11.log.json.zst'), '');
  for (const name of ['12.log.json', '13.log.json.zst']) await symlink(name, join(day, name));
});
afterAll(async () => {
  await service.stop();
  await removeDirs(service.dirs);
});

it.each([
  'asc',
  'desc',
])('GET /records gives the other hours, and names those that it could not look up (%s)', async (order) => {
  const { status, body, damaged } = await ask(`order=${order}&limit=all`);
  const lost = LOST.map(([hour]) => `2015-05-17T${hour}:00:00Z offset=0`);
  expect([status, body]).toEqual([200, `${inOrder(KEPT, order).join('\n')}\n`]);
  expect(damaged?.replaceAll(/ bytes=\d+/g, '')).toBe(`${lost.length}; ${inOrder(lost, order).join(', ')}`);
  expect((await ask(`order=${order}&limit=1`)).body).toBe(`${inOrder(KEPT, order)[0]}\n`);
});

it.each(['asc', 'desc'])('logforge query does, and fails (%s)', async (order) => {
  const { logs, state } = service.dirs;
  const { code, stdout, stderr } = await runLogforge([
    'query',
    '--logs-dir',
    logs,
    '--state-dir',
    state,
    '--order',
    order,
  ]);
  expect([code, stdout]).toEqual([1, `${inOrder(KEPT, order).join('\n')}\n`]);
  const told = stderr.trimEnd().split('\n');
  expect(told).toHaveLength(LOST.length);
  for (const [i, [hour, why]] of inOrder(LOST, order).entries()) {
    expect(told[i]).toContain(`hour 2015-05-17T${hour}:00:00Z: `);
    expect(told[i]).toMatch(why);
  }
});

function inOrder<T>(list: readonly T[], order: string): readonly T[] {
  return order === 'desc' ? list.toReversed() : list;
}

async function ask(query: string) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status?: number;
    body: string;
    damaged?: string | undefined;
  }>();
  get({ port: service.port, host: '127.0.0.1', path: `/records?${query}`, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      body += text;
    });
    response.on('error', reject);
    response.on('end', () =>
      resolve({ status: response.statusCode ?? 0, body, damaged: response.trailers['x-logforge-damaged'] }),
    );
  }).on('error', reject);
  return promise;
}
