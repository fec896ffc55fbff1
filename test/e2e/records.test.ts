import { once } from 'node:events';
import { link, readFile, rm } from 'node:fs/promises';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, createClient } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

const READ = { 'X-API-Key': 'reader' };
const SEND = { 'X-API-Key': 'sender', 'Content-Type': 'application/x-ndjson' };
/** Bytes of a line with padding. */
const WIDE = 10_000;
const WIDE_LINES = 3_000;

const event = (hour: number, i: number, level = 'INFO', extra = '') =>
  `{"timestamp":"2015-05-17T${String(hour).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}:00Z","level":"${level}","message":"m${i}","service":"s"${extra}}`;

describe.each([1, 2])('GET /records with %i threads', (threads) => {
  let service: Service;
  let client: Client;

  const ask = (query: string, headers: Record<string, string> = READ) => client.get(`/records?${query}`, headers);
  const linesOf = async (query: string): Promise<string[]> => {
    const { status, body } = await ask(query);
    expect([status, status === 200 ? '' : body]).toEqual([200, '']);
    return body.split('\n').slice(0, -1);
  };
  const messagesOf = async (query: string) =>
    (await linesOf(query)).map((line) => (JSON.parse(line) as { message: string }).message);
  const metric = async (sample: string): Promise<number> => {
    const { body } = await client.get('/metrics');
    const line = body.split('\n').find((one) => one.startsWith(`${sample} `));
    return Number(line?.slice(sample.length));
  };

  beforeAll(async () => {
    service = await startService({
      env: {
        LOGFORGE_SERVER_THREADS: String(threads),
        LOGFORGE_AUTH_ENABLED: 'true',
        LOGFORGE_AUTH_KEYS: 'sender',
        LOGFORGE_AUTH_READ_KEYS: 'reader',
        LOGFORGE_QUERY_MAX_CONCURRENT: '2',
        LOGFORGE_AGGREGATION_ENABLED: 'false',
      },
    });
    client = createClient(service.port, { connections: 64 });
    const few = [event(8, 1), event(8, 2, 'ERROR'), event(9, 3, 'WARN', ',"a":{"b":"x,\\"y\\""}'), event(9, 4)];
    const wide = Array.from({ length: WIDE_LINES }, (_, i) => event(20, i, 'DEBUG', `,"pad":"${'p'.repeat(WIDE)}"`));
    const bodies = [few];
    for (let at = 0; at < wide.length; at += 1_000) bodies.push(wide.slice(at, at + 1_000));
    for (const body of bodies) {
      expect((await client.post(body.join('\n'), SEND, '/logs/events')).status).toBe(202);
    }
  });
  afterAll(async () => {
    client.close();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await removeDirs(service.dirs);
  });

  it('gives stored lines by time, condition, text, pattern, limit and order', async () => {
    const small = 'stream=events&to=2015-05-17T20';
    expect(await linesOf(small)).toEqual([
      event(8, 1),
      event(8, 2, 'ERROR'),
      event(9, 3, 'WARN', ',"a":{"b":"x,\\"y\\""}'),
      event(9, 4),
    ]);
    expect(await messagesOf(`${small}&order=desc`)).toEqual(['m4', 'm3', 'm2', 'm1']);
    expect(await messagesOf(`${small}&where=level%3E%3DWARN`)).toEqual(['m2', 'm3']);
    expect(await messagesOf(`${small}&where=level%3E%3DWARN&where=!a`)).toEqual(['m2']);
    expect(await messagesOf(`${small}&where=level!=INFO&limit=1&order=desc`)).toEqual(['m3']);
    expect(await messagesOf(`${small}&contains=ERROR`)).toEqual(['m2']);
    expect(await messagesOf(`${small}&matches=m[34]"`)).toEqual(['m3', 'm4']);
    expect(await messagesOf('stream=events&from=2015-05-17T08:02:00Z&to=2015-05-17T09:04:00Z')).toEqual(['m2', 'm3']);
    expect(await linesOf('stream=events&from=2005-01-01&to=2015-05-17T08')).toEqual([]);
    expect(await linesOf('stream=access')).toEqual([]);
  });

  it('gives a table, and chosen fields', async () => {
    const query = 'stream=events&from=2015-05-17T09&to=2015-05-17T20&fields=message,a.b,none';
    const { body, headers } = await ask(`${query}&format=csv`);
    expect(body).toBe('message,a.b,none\r\nm3,"x,""y""",\r\nm4,,\r\n');
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    expect(headers['cache-control']).toBe('no-store');
    expect(await linesOf(query)).toEqual(['{"message":"m3","a.b":"x,\\"y\\""}', '{"message":"m4"}']);
  });

  it('is what logforge query prints, from the service and from its files while it runs', async () => {
    const asked = [
      'query',
      '--stream',
      'events',
      '--to',
      '2015-05-17T20',
      '-w',
      'level>=INFO',
      '-w',
      '!a',
      '--order',
      'desc',
    ];
    const expected = `${[event(9, 4), event(8, 2, 'ERROR'), event(8, 1)].join('\n')}\n`;
    const key = { LOGFORGE_API_KEY: 'reader' };
    const answer = await runLogforge([...asked, '--url', service.url], { env: key });
    expect(answer).toEqual({ code: 0, stdout: expected, stderr: '' });
    const { logs, state } = service.dirs;
    const files = await runLogforge([...asked, '--logs-dir', logs, '--state-dir', state]);
    expect(files).toEqual({ code: 0, stdout: expected, stderr: '' });
    const refused = await runLogforge(['query', '--url', service.url, '--matches', '('], { env: key });
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('the service answered 400: the parameter matches must be');
    expect((await runLogforge(['query', '--url', service.url])).stderr).toContain('the service answered 401');
  });

  it('needs a key that may read', async () => {
    expect((await ask('limit=1', {})).status).toBe(401);
    expect((await ask('limit=1', { 'X-API-Key': 'sender' })).status).toBe(403);
  });

  it('names the parameter that cannot be used, and what it must be', async () => {
    for (const [query, detail] of [
      ['matches=(', 'the parameter matches must be a regular expression in the syntax of RE2'],
      [`matches=${'a'.repeat(2_000)}`, 'the parameter matches must have at most 1024 characters'],
      ['where=level>=HIGH', 'the parameter where must compare with a level'],
      ['from=yesterday', 'the parameter from must be a time such as'],
      ['from=2015-05-18&to=2015-05-17', 'the parameter to must be later than from'],
    ] as const) {
      const { status, body } = await ask(query);
      expect([status, JSON.parse(body)]).toEqual([
        400,
        expect.objectContaining({ detail: expect.stringContaining(detail) }),
      ]);
    }
  });

  it('answers a pattern that explodes elsewhere, and a query of ten years', async () => {
    expect(await linesOf('stream=events&matches=(p%2Bp%2B)%2B%24&limit=1&from=2010-01-01&to=2015-05-17T20')).toEqual(
      [],
    );
    expect(await linesOf('stream=events&from=2006-01-01&to=2016-01-01&limit=3')).toHaveLength(3);
  });

  it('answers a thousand queries at once: some now, some after others, the rest 503 with Retry-After', async () => {
    const crowd = createClient(service.port, { connections: 200 });
    const asked = Array.from({ length: 1_000 }, () => crowd.get('/records?stream=events&contains=nowhere', READ));
    const answers = await Promise.all(asked);
    crowd.close();
    const refused = answers.filter(({ status }) => status === 503);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
    for (const { headers, body } of refused) {
      expect(headers['retry-after']).toBe('5');
      expect(JSON.parse(body)).toMatchObject({ type: 'urn:logforge:problem:overloaded' });
    }
    expect(await metric('logforge_queries_running')).toBe(0);
  });

  it('reads no further than the client, ends with it, and needs constant memory', async () => {
    const before = await metric('logforge_query_bytes_read_total');
    const response = await openAnswer(service.port, 'stream=events&limit=all');
    await once(response, 'readable');
    await eventually(async () => expect(await metric('logforge_queries_running')).toBe(1));
    const read = (await metric('logforge_query_bytes_read_total')) - before;
    expect(read).toBeLessThan(15_000_000);
    const stopped = await metric('logforge_queries_total{outcome="stopped"}');
    response.destroy();
    await eventually(async () => {
      expect(await metric('logforge_queries_running')).toBe(0);
      expect(await metric('logforge_queries_total{outcome="stopped"}')).toBe(stopped + 1);
    });
    // The same hour ten times more.
    const folder = join(service.dirs.logs, 'events/2015-05-17');
    for (let hour = 10; hour < 20; hour += 1) await link(join(folder, '20.log.json'), join(folder, `${hour}.log.json`));
    const memory = await residentMb(service.pid);
    const whole = await openAnswer(service.port, 'stream=events&limit=all');
    let bytes = 0;
    let most = 0;
    let looked = 0;
    for await (const part of whole) {
      bytes += (part as Buffer).length;
      if (bytes < looked) continue;
      looked = bytes + 20e6;
      most = Math.max(most, await residentMb(service.pid));
    }
    for (let hour = 10; hour < 20; hour += 1) await rm(join(folder, `${hour}.log.json`));
    expect(bytes).toBeGreaterThan(11 * WIDE_LINES * WIDE);
    expect(most - memory).toBeLessThan(100);
  });

  it('goes on without hours whose files are deleted while it reads', async () => {
    const response = await openAnswer(service.port, 'stream=events&limit=all&from=2015-05-17T20');
    await once(response, 'readable');
    await rm(join(service.dirs.logs, 'events/2015-05-17/20.log.json'));
    let bytes = 0;
    for await (const part of response) bytes += (part as Buffer).length;
    expect(bytes).toBeGreaterThan(WIDE_LINES * WIDE);
    expect(await messagesOf('stream=events')).toEqual(['m1', 'm2', 'm3', 'm4']);
  });
});

async function openAnswer(port: number, query: string): Promise<IncomingMessage> {
  const request = httpGet({ port, host: '127.0.0.1', path: `/records?${query}`, headers: READ, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
