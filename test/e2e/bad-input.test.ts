import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { type Client, createClient, openSocket } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readDeadLetters, readHourFiles, readRecords } from '../support/storage.ts';

let service: Service;
let client: Client;

const RECORD = '{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}';
const OTHER = '"path":"/","userAgent":"a"}';

describe.each([1, 2])('on %i threads', (threads) => {
  beforeAll(async () => {
    service = await startService({
      env: {
        LOGFORGE_SERVER_THREADS: String(threads),
        LOGFORGE_SERVER_MAX_BODY_BYTES: '1MiB',
        LOGFORGE_SERVER_HEADERS_TIMEOUT: '300ms',
        LOGFORGE_SERVER_BODY_TIMEOUT: '500ms',
        LOGFORGE_INGESTION_MAX_RECORD_BYTES: '4KiB',
      },
    });
    client = createClient(service.port);
  });
  afterAll(async () => {
    client.close();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await removeDirs(service.dirs);
  });
  afterEach(async () => {
    expect(await readHourFiles(service.dirs)).toEqual(new Map());
    expect(await readDeadLetters(service.dirs)).toEqual([]);
  });

  describe('refused, and nothing stored', () => {
    it.each([
      ['not JSON', '[{"timestamp":', 400, 'not JSON'],
      ['neither an array nor an object', JSON.stringify(RECORD), 400, 'array'],
      ['an object that is no record', '{}', 400, 'record 0 missing timestamp'],
      ['data behind the array', `[${RECORD}] []`, 400, 'not JSON'],
      ['an empty batch', '[]', 400, 'no log records provided'],
      ['an array of numbers', '[1,2]', 400, 'record 0'],
      ['an array of other things', `[${RECORD},"a",null,[${RECORD}],true]`, 400, 'record 1'],
      ['deep nesting', '['.repeat(200_000), 400, ''],
      [
        'deep nesting in a record',
        `[${RECORD.slice(0, -1)},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}]`,
        400,
        '',
      ],
      [
        'a missing field',
        `[${RECORD},{"timestamp":"2015-05-17T10:00:00Z","userAgent":"a"}]`,
        400,
        'record 1 missing path',
      ],
      ['no time', `[{${OTHER}]`, 400, 'record 0 missing timestamp'],
      ['no user agent', '[{"timestamp":"2015-05-17T10:00:00Z","path":"/"}]', 400, 'record 0 missing userAgent'],
      ['a blank field', '[{"timestamp":"2015-05-17T10:00:00Z","path":" ","userAgent":"a"}]', 400, 'path'],
      ['a field that is no string', '[{"timestamp":"2015-05-17T10:00:00Z","path":1,"userAgent":"a"}]', 400, 'path'],
      [
        'a day that is not',
        `[{"timestamp":"2023-02-29T00:00:00Z",${OTHER}]`,
        400,
        'invalid timestamp "2023-02-29T00:00:00Z"',
      ],
      ['hour 24', `[{"timestamp":"2023-02-28T24:00:00Z",${OTHER}]`, 400, 'invalid timestamp'],
      ['no zone', `[{"timestamp":"2023-02-28T10:00:00",${OTHER}]`, 400, 'invalid timestamp'],
      ['a number for a time', `[{"timestamp":1431856800,${OTHER}]`, 400, 'timestamp'],
      ['year 0', `[{"timestamp":"0000-01-01T00:00:00Z",${OTHER}]`, 400, 'invalid timestamp'],
      ['year 99999', `[{"timestamp":"99999-01-01T00:00:00Z",${OTHER}]`, 400, 'invalid timestamp'],
      ['a record too large', `[${RECORD.replace('"/"', `"/${'x'.repeat(5000)}"`)}]`, 400, 'record 0'],
      ['a body too large', `[${RECORD}]${' '.repeat(1_100_000)}`, 413, ''],
    ])('%s', async (_name, body, status, detail) => {
      const outcome = await client.post(body);
      expect(outcome.status, outcome.body).toBe(status);
      expect(outcome.headers['content-type']).toContain('application/problem+json');
      expect(JSON.parse(outcome.body)).toMatchObject({ status, detail: expect.stringContaining(detail) });
    });

    it.each([
      ['invalid UTF-8', Buffer.from(`[${RECORD.replace('"/"', '"/\xff"')}]`, 'latin1'), {}, 400],
      ['a type that is not known', Buffer.from(`[${RECORD}]`), { 'Content-Type': 'text/xml' }, 415],
      ['no type', Buffer.from(`[${RECORD}]`), { 'Content-Type': '' }, 415],
      ['an encoding that is not known', Buffer.from(`[${RECORD}]`), { 'Content-Encoding': 'rot13' }, 415],
      ['gzip that is not', Buffer.from(`[${RECORD}]`), { 'Content-Encoding': 'gzip' }, 400],
      ['gzip cut off', gzipSync(`[${RECORD}]`).subarray(0, -9), { 'Content-Encoding': 'gzip' }, 400],
      [
        'gzip with rubbish behind',
        Buffer.concat([gzipSync(`[${RECORD}]`), Buffer.from('rubbish')]),
        { 'Content-Encoding': 'gzip' },
        400,
      ],
      ['a gzip bomb', gzipSync(Buffer.alloc(50_000_000, 32)), { 'Content-Encoding': 'gzip' }, 413],
      [
        'CSV with a ragged row',
        Buffer.from('timestamp,path,userAgent\n2015-05-17T10:00:00Z,/\n'),
        { 'Content-Type': 'text/csv' },
        400,
      ],
      [
        'CSV with a quote not closed',
        Buffer.from('timestamp,path,userAgent\n2015-05-17T10:00:00Z,"/,a\n'),
        { 'Content-Type': 'text/csv' },
        400,
      ],
      ['a key that is not visible ASCII', Buffer.from(`[${RECORD}]`), { 'Idempotency-Key': 'a b' }, 400],
    ])('%s', async (_name, body, headers, status) => {
      const outcome = await client.post(body, headers);
      expect(outcome.status, outcome.body).toBe(status);
      expect(outcome.headers['content-type']).toContain('application/problem+json');
    });

    it('a bomb does not take the memory it would unpack to', async () => {
      const bomb = gzipSync(Buffer.alloc(100_000_000, 32));
      await Promise.all(Array.from({ length: 8 }, () => client.post(bomb, { 'Content-Encoding': 'gzip' })));
      const metrics = (await client.get('/metrics')).body;
      const resident = Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]);
      expect(resident).toBeLessThan(300_000_000);
    });

    it('other methods', async () => {
      const answer = await fetch(`${service.url}/logs`, { method: 'PUT', body: '[]' });
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toContain('POST');
    });
  });

  describe('slow and rude clients', () => {
    it('are cut off when their headers take too long', async () => {
      const { socket, received, closed } = await openSocket(service.port);
      socket.write('POST /logs HTTP/1.1\r\nHost: x\r\n');
      await closed;
      expect(received()).toMatch(/^HTTP\/1\.1 408 |^$/);
    });

    it('are answered 408 when their body takes too long', async () => {
      const { socket, received, closed } = await openSocket(service.port);
      socket.write('POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[');
      await closed;
      expect(received()).toMatch(/^HTTP\/1\.1 408 /);
    });

    it('store nothing when they hang up half way, with a length or in chunks', async () => {
      for (const framing of ['Content-Length: 1000', 'Transfer-Encoding: chunked']) {
        const { socket } = await openSocket(service.port);
        const chunk = framing.startsWith('T')
          ? `${(RECORD.length + 2).toString(16)}\r\n[${RECORD}]\r\n`
          : `[${RECORD}]`;
        socket.write(`POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${framing}\r\n\r\n${chunk}`);
        await new Promise<void>((resolve) => socket.end(() => resolve()));
        socket.destroy();
      }
      await eventually(async () => {
        const metrics = (await client.get('/metrics')).body;
        expect(metrics).toMatch(/^logforge_http_in_flight_bytes 0$/m);
      });
    });

    it('get no further than the bound with a body that says no length', async () => {
      const { socket, received, closed } = await openSocket(service.port);
      socket.write(
        'POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
      );
      const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
      for (let i = 0; i < 32; i++) socket.write(chunk);
      await closed;
      expect(received()).toMatch(/^HTTP\/1\.1 413 /);
    });

    it('are told that they must say what they send', async () => {
      const { socket, received } = await openSocket(service.port);
      socket.write(`POST /logs HTTP/1.1\r\nHost: x\r\nContent-Length: ${RECORD.length + 2}\r\n\r\n[${RECORD}]`);
      await eventually(() => expect(received()).toMatch(/^HTTP\/1\.1 415 /));
      socket.destroy();
    });

    it('cannot smuggle a request past a length that is said twice', async () => {
      const { socket, received, closed } = await openSocket(service.port);
      socket.write(
        `POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nContent-Length: 65\r\n\r\n[${RECORD}]`,
      );
      await closed;
      expect(received()).toMatch(/^HTTP\/1\.1 400 /);
    });
  });

  it('balances its accounting after all this', async () => {
    const { received, rejected, ...others } = await readBalancedAccounting(client);
    expect(others).toEqual({ stored: 0, deadLettered: 0, duplicate: 0 });
    expect(rejected).toBe(received);
    expect(received).toBeGreaterThan(10);
    expect(await readRecords(service.dirs)).toEqual([]);
  });
});
