import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { type Client, createClient, openSocket } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readDeadLetters, readHourFiles, readSummaries } from '../support/storage.ts';

const JSON_TYPE = 'Content-Type: application/json';
const at = (hour: number) => `2015-05-17T${String(hour).padStart(2, '0')}:00:00Z`;
const line = (hour: number, more = '"path":"/","userAgent":"a"') => `{"timestamp":"${at(hour)}",${more}}`;
const post = (text: string, headers: readonly string[] = [JSON_TYPE]) =>
  `${['POST /logs HTTP/1.1', 'Host: x', ...headers, `Content-Length: ${Buffer.byteLength(text)}`].join('\r\n')}\r\n\r\n${text}`;

let service: Service;
let client: Client;

// Each test has an hour of its own, and says all that must be in its file.
describe.each([1, 2])('what is odd and not wrong, on %i threads', (threads) => {
  beforeAll(async () => {
    service = await startService({
      env: { LOGFORGE_SERVER_THREADS: String(threads), LOGFORGE_AGGREGATION_INTERVAL: '200ms' },
    });
    client = createClient(service.port);
  });
  afterAll(async () => {
    client.close();
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  });

  const stored = async (hour: number) => {
    const bytes = (await readHourFiles(service.dirs)).get(at(hour).slice(0, 13));
    return bytes?.toString().split('\n').slice(0, -1);
  };

  it('a lone surrogate is stored as it came', async () => {
    const text = line(1, '"path":"/\\ud800","userAgent":"\\udc00x","extra":"\\uD800"');
    expect((await client.post(`[${text}]`)).status).toBe(202);
    expect(await stored(1)).toEqual([text]);
  });

  it('names that objects have of themselves are names like others, in records and in summaries', async () => {
    const names = ['__proto__', 'constructor', 'toString', '123'];
    const records = names.map((name) => line(2, `"path":"${name}","userAgent":"${name}","${name}":{"path":"/other"}`));
    expect((await client.post(`[${records.join(',')}]`)).status).toBe(202);
    expect(await stored(2)).toEqual(records);
    await eventually(async () => {
      const summary = (await readSummaries(service.dirs)).get(at(2));
      expect(Object.entries(summary?.requestsPerPath ?? {}).sort()).toEqual(names.map((name) => [name, 1]).sort());
      expect(Object.keys(summary?.requestsPerUserAgent ?? {}).sort()).toEqual(names.toSorted());
    });
  });

  it.each([
    ['a byte order mark', `\ufefftimestamp,path,userAgent\n${at(3)},/,a\n`, [line(3)]],
    ['CRLF', `timestamp,path,userAgent\r\n${at(4)},/,a\r\n${at(4)},/,a\r\n`, [line(4), line(4)]],
    [
      'a newline, a comma and a quote in quotes',
      `timestamp,path,userAgent\n${at(5)},"/a\nb","c,""d"""\n`,
      [line(5, '"path":"/a\\nb","userAgent":"c,\\"d\\""')],
    ],
  ])('CSV with %s', async (_name, body, lines) => {
    const outcome = await client.post(body, { 'Content-Type': 'text/csv' });
    expect([outcome.status, outcome.body]).toEqual([202, `{"accepted":${lines.length}}`]);
    expect(await stored(Number(lines[0]?.slice(25, 27)))).toEqual(lines);
  });

  it('a body in chunks, cut anywhere', async () => {
    const { socket, received } = await openSocket(service.port);
    socket.write(`POST /logs HTTP/1.1\r\nHost: x\r\n${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const char of `[${line(6)}]`) socket.write(`1\r\n${char}\r\n`);
    socket.write('0\r\n\r\n');
    await eventually(() => expect(received()).toMatch(/^HTTP\/1.1 202 /));
    socket.destroy();
    expect(await stored(6)).toEqual([line(6)]);
  });

  it('requests that were pipelined: each has its answer in its place, and the wrong ones store nothing', async () => {
    const { socket, received } = await openSocket(service.port);
    const bodies = [`[${line(7)}]`, `[${line(7)},{}]`, 'not JSON', `[${line(7)}]`];
    socket.write(bodies.map((text) => post(text)).join('') + post(`[${line(7)}]`, []));
    const statuses = () =>
      received()
        .match(/HTTP\/1.1 \d+/g)
        ?.map((text) => Number(text.slice(-3)));
    await eventually(() => expect(statuses()).toEqual([202, 400, 400, 202, 415]));
    socket.destroy();
    expect(await stored(7)).toEqual([line(7), line(7)]);
  });

  it('has its place in the accounting, with what was left out and what was repeated', async () => {
    const before = await readBalancedAccounting(client);
    const batch = `[${line(8)},{"path":1},${line(8)},7]`;
    const key = { 'Idempotency-Key': 'accounting' };
    const first = await client.post(batch, key, '/logs?invalid=skip');
    const second = await client.post(batch, key, '/logs?invalid=skip');
    expect([first.status, second.status, second.body]).toEqual([202, 202, first.body]);
    expect((await client.post(batch)).status).toBe(400);
    expect((await client.post('not JSON')).status).toBe(400);
    const accounting = await readBalancedAccounting(client);
    expect(accounting).toEqual({
      received: before.received + 12,
      stored: before.stored + 2,
      rejected: before.rejected + 4,
      deadLettered: before.deadLettered + 2,
      duplicate: before.duplicate + 4,
    });
    const lines = [...(await readHourFiles(service.dirs)).values()].map(
      (bytes) => bytes.toString().split('\n').length - 1,
    );
    expect(accounting.stored).toBe(lines.reduce((sum, count) => sum + count, 0));
    expect(await readDeadLetters(service.dirs)).toHaveLength(accounting.deadLettered);
  });
});
