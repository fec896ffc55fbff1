import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { createClient } from '../support/client.ts';
import { delimited, logEntry, textMessage, varint, withSchemaId } from '../support/protobuf-messages.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { readDeadLetters } from '../support/storage.ts';

const LINE = '{"timestamp":"2025-07-02T17:00:01Z","level":"INFO","message":"hi","service":"api"}\n';
/** The payload that senders of the universal port send. */
const FRAME = Buffer.from('0a14323032352d30372d30325431373a30303a30315a1204494e464f1a0268692203617069', 'hex');
const SINGLE = 'application/x-protobuf';
const DELIMITED = 'application/x-protobuf; delimited=true';

describe.each([1, 2])('Protocol Buffers on %i threads', (threads) => {
  let service: Service;
  let stored = '';
  beforeAll(async () => {
    service = await startService({ env: { LOGFORGE_SERVER_THREADS: String(threads) } });
    stored = '';
  });
  afterAll(async () => {
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await removeDirs(service.dirs);
  });

  async function post(body: Buffer, type: string, { query = '', headers = {}, stream = 'events' } = {}) {
    const answer = await fetch(`${service.url}/logs/${stream}${query}`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { 'Content-Type': type, ...headers },
    });
    return { status: answer.status, text: await answer.text() };
  }

  /** Everything in the data files. */
  async function readStored(): Promise<string> {
    const names = await readdir(service.dirs.logs, { recursive: true });
    const files = names.filter((name) => name.endsWith('.log.json')).sort();
    const texts = await Promise.all(files.map((name) => readFile(join(service.dirs.logs, name), 'utf8')));
    return texts.join('');
  }

  it.each([
    ['one message', FRAME, SINGLE, 1],
    ['one message of another name of the type', FRAME, 'application/vnd.google.protobuf', 1],
    ['one message with the id of its schema', withSchemaId(1, FRAME), 'application/protobuf', 1],
    ['one message of a named type', FRAME, `${SINGLE}; messageType=log.LogEntry`, 1],
    ['a stream of messages', delimited([FRAME, logEntry(), withSchemaId(1, FRAME)]), DELIMITED, 3],
    ['a stream by its other name', delimited([FRAME, FRAME]), 'application/x-protobuf-delimited', 2],
  ])('stores %s', async (_, body, type, count) => {
    expect(await post(body, type)).toEqual({ status: 202, text: `{"accepted":${count}}` });
    expect(await post(gzipSync(body), type, { headers: { 'Content-Encoding': 'gzip' } })).toMatchObject({
      status: 202,
    });
    stored += LINE.repeat(count * 2);
    expect(await readStored()).toBe(stored);
  });

  it.each([
    ['a truncated message', FRAME.subarray(0, -1), SINGLE, 400, 'byte 33: service has the length 3, there are 2 bytes'],
    ['a truncated stream', delimited([FRAME, FRAME]).subarray(0, -1), DELIMITED, 400, 'message 1 at byte 38'],
    ['bytes after the last message', Buffer.concat([delimited([FRAME]), Buffer.of(0x80)]), DELIMITED, 400, 'cut off'],
    [
      'a length of 2 GB',
      Buffer.concat([Buffer.from('1affffffff07', 'hex'), FRAME]),
      SINGLE,
      400,
      'the length 2147483647',
    ],
    ['a message of 2 GB', Buffer.from('ffffffff07', 'hex'), DELIMITED, 400, 'the length is 2147483647'],
    [
      'an over-long varint',
      Buffer.concat([FRAME, Buffer.from(`48${'ff'.repeat(10)}01`, 'hex')]),
      SINGLE,
      400,
      'more than 10 bytes',
    ],
    [
      'a wire type that lies',
      Buffer.concat([FRAME, Buffer.of(0x18, 5)]),
      SINGLE,
      400,
      'message has the wire type of a varint',
    ],
    ['deep groups', Buffer.concat([FRAME, Buffer.alloc(500, 0x4b)]), SINGLE, 400, 'nested deeper than 64'],
    ['an id that is not registered', withSchemaId(77, FRAME), SINGLE, 400, 'the schema id 77, which is not registered'],
    ['the id of an Avro schema', withSchemaId(2, FRAME), SINGLE, 400, 'AVRO, not PROTOBUF'],
    ['a type that is not there', FRAME, `${SINGLE}; messageType=log.Other`, 400, 'no message'],
    [
      'invalid UTF-8',
      Buffer.concat([FRAME, Buffer.of(0x1a, 1, 0xff)]),
      SINGLE,
      400,
      'the text of message is not UTF-8',
    ],
    ['a missing field', textMessage({ 1: '2025-07-02T17:00:01Z' }), SINGLE, 400, 'record 0 missing level'],
    ['an invalid message among others', delimited([FRAME, FRAME.subarray(1), FRAME]), DELIMITED, 400, 'record 1 '],
    ['nothing', Buffer.alloc(0), SINGLE, 400, 'no log records provided'],
    ['an unclear content type', FRAME, `${SINGLE}; delimited=perhaps`, 415, 'delimited=perhaps'],
  ])('refuses %s, and stores nothing', async (_, body, type, status, reason) => {
    const answer = await post(Buffer.from(body), type);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(reason);
    expect(await readStored()).toBe(stored);
    expect(await readDeadLetters(service.dirs)).toEqual([]);
  });

  it('refuses a message for a stream without a schema', async () => {
    const answer = await post(FRAME, SINGLE, { stream: 'access' });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('register one as access-protobuf')]);
    expect(await readStored()).toBe(stored);
  });

  it('skips what cannot be decoded where its length is known, and nothing else', async () => {
    const broken = delimited([FRAME, FRAME.subarray(0, -1), textMessage({ 3: 'x' }), FRAME]);
    const answer = await post(broken, DELIMITED, { query: '?invalid=skip' });
    expect(answer.status).toBe(202);
    expect(JSON.parse(answer.text)).toMatchObject({ accepted: 2, rejected: 2 });
    stored += LINE.repeat(2);
    expect(await readStored()).toBe(stored);
    const letters = await readDeadLetters(service.dirs);
    expect(letters).toMatchObject([
      { stream: 'events', raw: `base64:${FRAME.subarray(0, -1).toString('base64')}` },
      { stream: 'events', record: { message: 'x' } },
    ]);
    const cut = Buffer.concat([delimited([FRAME]), varint(40), FRAME]);
    expect((await post(cut, DELIMITED, { query: '?invalid=skip' })).status).toBe(400);
    expect(await readStored()).toBe(stored);
  });

  it('accounts for every record', async () => {
    const client = createClient(service.port);
    await readBalancedAccounting(client);
    client.close();
  });
});
