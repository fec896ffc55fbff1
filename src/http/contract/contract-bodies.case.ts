// Long: one table of what a body may be, in formats, encodings and sizes.

import { hash } from 'node:crypto';
import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BODY, type CreateServer, chunked, postBytes, problemOf, startFixture } from './contract-fixture.case.ts';

const QUICK = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 2 } };
const PACKERS: Record<string, (body: Uint8Array) => Buffer> = {
  gzip: (body) => zlib.gzipSync(body),
  'x-gzip': (body) => zlib.gzipSync(body),
  GZip: (body) => zlib.gzipSync(body),
  deflate: (body) => zlib.deflateSync(body),
  DEFLATE: (body) => zlib.deflateRawSync(body),
  br: (body) => zlib.brotliCompressSync(body, QUICK),
  zstd: (body) => zlib.zstdCompressSync(body),
  identity: (body) => Buffer.from(body),
  '': (body) => Buffer.from(body),
};
const MIB = 1024 * 1024;

/** A body of `bytes` bytes. It is of no format, and compresses badly. */
function noise(bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let at = 0, state = 1; at < bytes; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    body[at] = 97 + ((state >>> 16) & 15);
  }
  return body;
}

export function describeBodies(create: CreateServer): void {
  describe('accepts bodies', () => {
    test.each([
      ['application/json', 'json'],
      ['Application/JSON', 'json'],
      ['application/json; charset=utf-8', 'json'],
      ['application/json;charset="utf-8"; v=1', 'json'],
      ['application/x-ndjson', 'ndjson'],
      ['APPLICATION/X-NDJSON ;a=b', 'ndjson'],
      ['application/ndjson', 'ndjson'],
      ['application/jsonl; charset=utf-8', 'ndjson'],
      ['text/csv', 'csv'],
      ['text/CSV; header=present', 'csv'],
      ['application/x-protobuf', 'protobuf'],
      ['Application/Protobuf; x=1', 'protobuf'],
      ['application/vnd.google.protobuf', 'protobuf'],
      ['application/x-protobuf; delimited=false', 'protobuf'],
      ['application/x-protobuf; delimited=true', 'protobuf-delimited'],
      ['application/vnd.google.protobuf; proto="a; delimited=true"', 'protobuf'],
      ['application/protobuf;x=1 ; Delimited="true"', 'protobuf-delimited'],
      ['application/x-protobuf-delimited', 'protobuf-delimited'],
      ['avro/binary', 'avro'],
      ['application/avro', 'avro'],
      ['Application/X-Avro; charset=binary', 'avro'],
      ['application/vnd.apache.avro+binary', 'avro'],
    ])('of the type %s as %s', async (contentType, format) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ contentType });
      expect(answer.status).toBe(202);
      expect(ingested).toMatchObject([{ format, body: Buffer.from(BODY) }]);
    });

    test('of Protocol Buffers, and hands on the type of the message', async () => {
      const { post, ingested } = await startFixture(create);
      await post({ contentType: 'application/x-protobuf; messageType=log.LogEntry; delimited=true' });
      await post({ contentType: 'application/x-protobuf; MessageType="a.B_1"' });
      await post({ contentType: 'application/x-protobuf' });
      expect(ingested.map(({ format, messageType }) => [format, messageType])).toEqual([
        ['protobuf-delimited', 'log.LogEntry'],
        ['protobuf', 'a.B_1'],
        ['protobuf', undefined],
      ]);
    });

    test.each(Object.entries(PACKERS))('with the content encoding "%s"', async (coding, pack) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ body: pack(Buffer.from(BODY)), headers: [`Content-Encoding: ${coding}`] });
      expect(answer.status).toBe(202);
      expect(ingested[0]?.body.toString()).toBe(BODY);
    });

    test.each(Object.entries(PACKERS))('of several megabytes with the content encoding "%s"', async (coding, pack) => {
      const { post, ingested } = await startFixture(create);
      const body = noise(3 * MIB);
      const answer = await post({ body: pack(body), headers: [`Content-Encoding: ${coding}`] });
      expect(answer.status).toBe(202);
      expect(ingested[0]?.body.equals(body)).toBe(true);
    });

    test.each([1, 7, 1_000, 100_000])('sent chunked, %i bytes a chunk', async (size) => {
      const { ask, ingested } = await startFixture(create);
      const body = noise(size === 1 ? 100_000 : MIB);
      const head = postBytes({ body: '', contentLength: null, headers: ['Transfer-Encoding: chunked'] });
      const answer = await ask(Buffer.concat([head, chunked(body, size)]));
      expect(answer.status).toBe(202);
      expect(ingested[0]?.body.equals(body)).toBe(true);
    });

    test('of exactly the limit, as sent and as decoded', async () => {
      const { post, ask, ingested } = await startFixture(create, { limits: { maxBodyBytes: 50_000 } });
      const body = noise(50_000);
      const packed = { body: zlib.gzipSync(body), headers: ['Content-Encoding: gzip'] };
      const head = postBytes({ body: '', contentLength: null, headers: ['Transfer-Encoding: chunked'] });
      expect((await post({ body })).status).toBe(202);
      expect((await post(packed)).status).toBe(202);
      expect((await ask(Buffer.concat([head, chunked(body, 9_999)]))).status).toBe(202);
      expect(ingested.map((request) => request.body.equals(body))).toEqual([true, true, true]);
    });

    test('that are empty, and leaves the decision to the decoder', async () => {
      const { post, ingested } = await startFixture(create);
      await post({ body: '' });
      await post({ body: '', contentLength: null });
      expect(ingested.map((request) => request.body.length)).toEqual([0, 0]);
    });

    test('that share no memory with each other', async () => {
      const { post, ingested } = await startFixture(create);
      await post({ body: 'first' });
      await post({ body: 'other' });
      ingested[1]?.body.fill('x');
      expect(ingested[0]?.body.toString()).toBe('first');
    });

    test('after 100 Continue when the client waits for it', async () => {
      const { connect, ingested } = await startFixture(create);
      const client = await connect();
      client.send(postBytes({ body: '', contentLength: BODY.length, headers: ['Expect: 100-continue'] }));
      expect((await client.answer()).status).toBe(100);
      client.send(BODY);
      expect((await client.answer()).status).toBe(202);
      expect(ingested[0]?.body.toString()).toBe(BODY);
    });

    test('and hands on the invalid parameter, the idempotency key and the request id', async () => {
      const { post, ingested } = await startFixture(create);
      await post({
        target: '/logs?invalid=skip&x=1',
        headers: ['Idempotency-Key: !key~', 'X-Request-Id: my-request:1'],
      });
      await post({ target: '/logs?invalid=reject' });
      await post({ target: '/logs?' });
      expect(ingested[0]).toMatchObject({ invalid: 'skip', idempotencyKey: '!key~', source: 'my-request:1' });
      expect(ingested[1]).toMatchObject({ invalid: 'reject' });
      expect(ingested[1]).not.toHaveProperty('idempotencyKey');
      expect(ingested[2]).not.toHaveProperty('invalid');
    });

    test('and hands on a short digest of the API key as the owner of the idempotency key', async () => {
      const auth = { enabled: true, headerName: 'X-API-Key', keys: ['first-key', 'second-key'] };
      const { post, ingested } = await startFixture(create, { auth });
      await post({ headers: ['Idempotency-Key: k', 'X-API-Key: first-key'] });
      await post({ headers: ['Idempotency-Key: k', 'Authorization: Bearer second-key'] });
      await post({ headers: ['X-API-Key: first-key'] });
      const owner = (key: string) => hash('sha256', key, 'hex').slice(0, 16);
      expect(ingested.map((request) => request.owner)).toEqual([owner('first-key'), owner('second-key'), undefined]);
      const open = await startFixture(create);
      await open.post({ headers: ['Idempotency-Key: k', 'X-API-Key: first-key'] });
      expect(open.ingested[0]).not.toHaveProperty('owner');
    });

    test('under the absolute form of the target', async () => {
      const { post } = await startFixture(create);
      expect((await post({ target: 'http://example.org/logs?invalid=skip' })).status).toBe(202);
    });
  });

  describe('refuses bodies', () => {
    test.each([
      'text/plain',
      'application/json+x',
      'multipart/form-data; boundary=application/json',
      'json',
      ';',
      'application/x-protobuf; delimited=yes',
      'application/x-protobuf-delimited; delimited=false',
      'application/x-protobuf; messageType=a/b',
      'application/x-protobuf; messageType=',
      null,
    ])('of the type %s', async (contentType) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ contentType });
      expect(answer.status).toBe(415);
      expect(answer.headers.get('accept')).toBe(
        'application/json, application/x-ndjson, text/csv, avro/binary, application/x-protobuf',
      );
      expect(problemOf(answer).detail).toContain(contentType ?? 'no Content-Type');
      expect(ingested).toEqual([]);
    });

    test.each([
      'compress',
      'gzip, gzip',
      'gzip,identity',
      'gzip;q=1',
      '*',
      'snappy',
    ])('with the content encoding "%s"', async (coding) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ body: zlib.gzipSync(BODY), headers: [`Content-Encoding: ${coding}`] });
      expect(answer.status).toBe(415);
      expect(answer.headers.get('accept-encoding')).toBe('gzip, deflate, br, zstd');
      expect(problemOf(answer).detail).toContain('not a list');
      expect(ingested).toEqual([]);
    });

    const BROKEN: Record<string, (packed: Buffer) => Buffer> = {
      'cut short': (packed) => packed.subarray(0, -3),
      'cut in half': (packed) => packed.subarray(0, packed.length >> 1),
      'with rubbish after its end': (packed) => Buffer.concat([packed, Buffer.from('rubbish')]),
      'with zeros after its end': (packed) => Buffer.concat([packed, Buffer.alloc(5)]),
      'that is not packed': () => Buffer.from(BODY),
      'that is empty': () => Buffer.alloc(0),
    };
    const PACKED = Object.entries(PACKERS).filter(([coding]) => coding !== '' && coding !== 'identity');
    const SIZES = [1_000, 3 * MIB];
    const cases = PACKED.flatMap(([coding, pack]) =>
      Object.entries(BROKEN).flatMap(([how, spoil]) => SIZES.map((size) => ({ coding, pack, how, spoil, size }))),
    );
    test.each(cases)('coded $coding $how, $size bytes', async ({ coding, pack, spoil, size }) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ body: spoil(pack(noise(size))), headers: [`Content-Encoding: ${coding}`] });
      expect(answer.status).toBe(400);
      expect(problemOf(answer)).toMatchObject({ type: 'urn:logforge:problem:malformed-body' });
      expect(ingested).toEqual([]);
    });

    test('whose gzip checksum is wrong', async () => {
      const { post, ingested } = await startFixture(create);
      const body = zlib.gzipSync(BODY);
      body.writeUInt32LE(1, body.length - 8);
      expect((await post({ body, headers: ['Content-Encoding: gzip'] })).status).toBe(400);
      expect(ingested).toEqual([]);
    });

    test('coded zstd with a window larger than RFC 9659 allows', async () => {
      const { post, ingested } = await startFixture(create);
      const params = { [zlib.constants.ZSTD_c_windowLog]: 27 };
      const packer = zlib.createZstdCompress({ params });
      const packed = new Promise<Buffer>((resolve) => {
        const parts: Buffer[] = [];
        packer.on('data', (part: Buffer) => parts.push(part));
        packer.on('end', () => resolve(Buffer.concat(parts)));
      });
      packer.write(noise(1_000));
      packer.end();
      expect((await post({ body: await packed, headers: ['Content-Encoding: zstd'] })).status).toBe(400);
      expect(ingested).toEqual([]);
    });
  });

  describe('limits bodies', () => {
    test('by their Content-Length, before they are sent', async () => {
      const { connect, ingested } = await startFixture(create, { limits: { maxBodyBytes: 1_000 } });
      const client = await connect();
      client.send(postBytes({ body: '', contentLength: 1_001 }));
      const answer = await client.answer();
      expect(answer.status).toBe(413);
      expect(problemOf(answer).detail).toContain('1000 bytes');
      expect(ingested).toEqual([]);
    });

    test('with an answer that reaches a client which still sends, and a closed connection', async () => {
      const { connect, ingested } = await startFixture(create, { limits: { maxBodyBytes: 1_000 } });
      const client = await connect();
      client.send(postBytes({ body: noise(8 * MIB) }));
      const answer = await client.answer();
      expect(answer.status).toBe(413);
      expect(answer.headers.get('connection')).toBe('close');
      expect(await client.ended()).toBe('');
      expect(ingested).toEqual([]);
    });

    test('and keeps the connection when little of the body is unread', async () => {
      const { connect, ingested } = await startFixture(create, { limits: { maxBodyBytes: 1_000 } });
      const client = await connect();
      client.send(postBytes({ body: noise(5_000) }));
      expect((await client.answer()).status).toBe(413);
      client.send(postBytes());
      expect((await client.answer()).status).toBe(202);
      expect(ingested).toHaveLength(1);
    });

    test('that are sent chunked, when they pass the limit', async () => {
      const { connect, ingested, metric } = await startFixture(create, { limits: { maxBodyBytes: 10_000 } });
      const client = await connect();
      client.send(postBytes({ body: '', contentLength: null, headers: ['Transfer-Encoding: chunked'] }));
      client.send(chunked(noise(10_001), 1_000).subarray(0, -5));
      const answer = await client.answer();
      expect(answer.status).toBe(413);
      expect(answer.headers.get('connection')).toBe('close');
      expect(ingested).toEqual([]);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test.each(PACKED_BOMBS)('that unpack to more, coded %s', async (coding, pack) => {
      const { post, ingested, metric } = await startFixture(create, { limits: { maxBodyBytes: 2 * MIB } });
      const answer = await post({ body: pack(Buffer.alloc(64 * MIB)), headers: [`Content-Encoding: ${coding}`] });
      expect(answer.status).toBe(413);
      expect(problemOf(answer).detail).toContain('unpacked');
      expect(ingested).toEqual([]);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test('that unpack to a little more', async () => {
      const { post, ingested } = await startFixture(create, { limits: { maxBodyBytes: 50_000 } });
      const answer = await post({ body: zlib.gzipSync(noise(50_001)), headers: ['Content-Encoding: gzip'] });
      expect(answer.status).toBe(413);
      expect(ingested).toEqual([]);
    });

    test('whose gzip trailer has a wrong length', async () => {
      const { post, ingested } = await startFixture(create, { limits: { maxBodyBytes: 2 * MIB } });
      const body = zlib.gzipSync(Buffer.alloc(64 * MIB));
      body.writeUInt32LE(10, body.length - 4);
      expect((await post({ body, headers: ['Content-Encoding: gzip'] })).status).toBe(413);
      expect(ingested).toEqual([]);
    });
  });
}

const PACKED_BOMBS: readonly (readonly [string, (body: Uint8Array) => Buffer])[] = [
  ['gzip', (body) => zlib.gzipSync(body)],
  ['deflate', (body) => zlib.deflateSync(body)],
  ['br', (body) => zlib.brotliCompressSync(body, QUICK)],
  ['zstd', (body) => zlib.zstdCompressSync(body)],
];
