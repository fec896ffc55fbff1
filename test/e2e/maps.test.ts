import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readDeadLetters, readRecords } from '../support/storage.ts';

let service: Service | undefined;
let dirs: Dirs;
beforeEach(async () => {
  dirs = await makeDirs();
});
afterEach(async () => {
  await service?.stop('SIGKILL');
  service = undefined;
  await removeDirs(dirs);
});

const CADDY =
  '{"level":"info","ts":1772704801.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"192.0.2.1","method":"GET","uri":"/a?b=1","headers":{"User-Agent":["curl/8"]}},"status":200,"size":12}';
const MAP = `timestamp=ts,path=request.uri,userAgent='request.headers.User-Agent[0]'`;
const MAPPINGS = `mappings:
  - name: caddy
    fields: {timestamp: ts, path: request.uri, userAgent: 'request.headers.User-Agent[0]', method: request.method}
  - name: app
    fields: {timestamp: at, message: text, service: app.name, level: lvl}
`;
const RECORD = { timestamp: '2026-03-05T10:00:01.5Z', path: '/a?b=1', userAgent: 'curl/8', method: 'GET' };

async function start(config = '{}\n'): Promise<Service> {
  const file = join(dirs.root, 'config.yaml');
  await writeFile(file, config);
  service = await startService({ dirs, args: ['--config', file] });
  return service;
}

describe('maps of fields', () => {
  it('are taken by replay, given once or several times', async () => {
    const { url } = await start();
    await writeFile(join(dirs.root, 'caddy.log'), `${CADDY}\n`);
    await writeFile(join(dirs.root, 'a.csv'), 'at,uri,agent\n1772704801.5,/csv,curl/8\n');
    await writeFile(
      join(dirs.root, 'access.log'),
      '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5\n',
    );
    const run = (...args: string[]) => runLogforge(['replay', '--url', url, ...args], { cwd: dirs.root });
    const caddy = await run('--map', MAP, '--map', 'method=request.method', 'caddy.log');
    expect([caddy.stderr, caddy.code]).toEqual(['', 0]);
    const mixed = await run('--map', 'timestamp=at|ts,path=uri,userAgent=agent', 'a.csv', 'access.log');
    expect(mixed.code).toBe(1);
    expect(mixed.stderr).toContain('access.log: the file is read as common, which has fields of its own');
    const records = await readRecords(dirs);
    expect(records).toHaveLength(2);
    expect(records).toEqual(
      expect.arrayContaining([RECORD, { timestamp: '2026-03-05T10:00:01.5Z', path: '/csv', userAgent: 'curl/8' }]),
    );
  });

  it('are named by requests', async () => {
    const { port } = await start(MAPPINGS);
    const client = createClient(port);
    const json = { 'Content-Type': 'application/json' };
    const key = { ...json, 'Idempotency-Key': 'one' };
    const body = `[${CADDY}]`;
    const post = async (text: string, target: string, headers: Record<string, string> = json) => {
      const { status, body: answer } = await client.post(text, headers, target);
      return [status, JSON.parse(answer).detail ?? answer];
    };
    expect(await post(body, '/logs?map=caddy', key)).toEqual([202, '{"accepted":1}']);
    expect(await post(body, '/logs?map=caddy', key)).toEqual([202, '{"accepted":1}']);
    expect((await post(body, '/logs?map=app', key))[0]).toBe(400);
    expect(await post(`[${CADDY},{"ts":1}]`, '/logs?map=caddy')).toEqual([
      400,
      'record 1 has no "request.uri" for path; it has: ts',
    ]);
    expect(await post(body, '/logs?map=nginx')).toEqual([400, 'there is no mapping "nginx"; there are caddy, app']);
    const event = '{"at":1772704801,"lvl":"warning","text":"slow","app":{"name":"api"},"x":1}\n';
    const lines = { 'Content-Type': 'application/x-ndjson' };
    expect(await post(`${event}{"at":1}\n`, '/logs/events?map=app&invalid=skip', lines)).toEqual([
      202,
      expect.stringContaining('"accepted":1,"rejected":1'),
    ]);
    client.close();
    expect(await readRecords(dirs)).toEqual([RECORD]);
    expect(await readRecords(dirs, 'events')).toEqual([
      { timestamp: '2026-03-05T10:00:01Z', level: 'WARN', message: 'slow', service: 'api' },
    ]);
    const reason = expect.stringContaining('has no "lvl" for level; it has: at');
    expect(await readDeadLetters(dirs)).toMatchObject([{ stream: 'events', reason, record: { at: 1 }, map: 'app' }]);
  });

  it('are named by dead letters, so that a replay reads them as they were meant', async () => {
    const { port, url } = await start(MAPPINGS);
    const client = createClient(port);
    const { ts: _ts, ...untimed } = JSON.parse(CADDY);
    const body = `${CADDY}\n${JSON.stringify(untimed)}\n`;
    const headers = { 'Content-Type': 'application/x-ndjson' };
    expect((await client.post(body, headers, '/logs?map=caddy&invalid=skip')).status).toBe(202);
    client.close();
    const [letter] = await readDeadLetters(dirs);
    expect(letter).toMatchObject({ record: untimed, map: 'caddy' });

    const replayed = async (...letters: readonly object[]) => {
      const file = join(dirs.root, 'letters.ndjson');
      await writeFile(file, letters.map((one) => `${JSON.stringify(one)}\n`).join(''));
      const { stdout, stderr } = await runLogforge(['dlq', 'replay', '--url', url, '--file', file]);
      return [stdout.split(', ', 1)[0], stderr];
    };
    expect(await replayed({ ...letter, record: { ts: 1772704801.5, ...untimed } })).toEqual(['1 letter stored', '']);
    expect(await readRecords(dirs)).toEqual([RECORD, RECORD]);
    expect(await replayed({ ...letter, map: 'gone' })).toEqual([
      '0 letters stored',
      'letters.ndjson:1: still invalid: there is no mapping "gone"; there are caddy, app\n',
    ]);
  });

  it('are named by inputs of type file', async () => {
    const log = join(dirs.root, 'web.log');
    await writeFile(log, `${CADDY}\n{"ts":1}\n`);
    const input = `{name: web, type: file, stream: access, format: auto, map: caddy, paths: ['${log}']}`;
    await start(`${MAPPINGS}inputs:\n  - ${input}\n`);
    await eventually(async () => expect(await readDeadLetters(dirs)).toHaveLength(1));
    expect(await readRecords(dirs)).toEqual([RECORD]);
    expect(await readDeadLetters(dirs)).toMatchObject([
      { reason: 'line 2: no "request.uri" for path; the line has: ts', source: 'input:web', map: 'caddy' },
    ]);
  });

  it('that cannot be read end the start with status 78', async () => {
    const file = join(dirs.root, 'config.yaml');
    await writeFile(file, MAPPINGS);
    await appendFile(file, '  - name: bad\n    fields: {path: "a..b"}\n');
    const { code, stderr } = await runLogforge(['validate', '--config', file]);
    expect(code).toBe(78);
    expect(stderr).toContain(':7: mappings[2].fields: cannot read the source of "path" "a..b" at character 3');
  });
});
