import { once } from 'node:events';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GaveUpError, type Parcel, RefusedError } from '../outputs.ts';
import { problem, type Reply, reply, type ScriptedService, startScriptedService } from './scripted-service.case.ts';
import { createServiceSender, type ServiceSenderOptions } from './service-sender.ts';

let service: ScriptedService;
let waits: number[];
let said: string[];
const senders: { close(): void }[] = [];

beforeEach(async () => {
  service = await startScriptedService();
  waits = [];
  said = [];
});
afterEach(async () => {
  for (const sender of senders.splice(0)) sender.close();
  await service.close();
});

function createSender(options: Partial<ServiceSenderOptions> = {}) {
  const sender = createServiceSender({
    url: service.url,
    connections: 1,
    retries: 20,
    notify: (message) => void said.push(message),
    random: () => 0.5,
    wait: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
    ...options,
  });
  senders.push(sender);
  return sender;
}

const NDJSON = 'application/x-ndjson';
const parcel = (more: Partial<Parcel> = {}): Parcel => ({
  stream: 'access',
  key: 'file:0-10',
  body: Buffer.from('{"a":1}\n{"a":2}\n'),
  contentType: NDJSON,
  ...more,
});
const cut: Reply = (_received, response) => void response.destroy();

describe('a parcel', () => {
  it('is posted to its stream under its key, and its outcome is read', async () => {
    const { send } = createSender({ url: new URL(`${service.url}prefix/logs/`), apiKey: 'secret' });
    service.replyNext(
      service.store,
      reply(202, JSON.stringify({ accepted: 1, rejected: 1, errors: [{ index: 1, field: '', reason: 'too long' }] })),
    );
    const stored = { accepted: 2, duplicate: false, rejections: [], rejected: 0 };
    expect(await send(parcel())).toEqual(stored);
    const rejections = [{ index: 1, reason: 'too long', field: '' }];
    expect(await send(parcel({ stream: 'events' }))).toEqual({
      accepted: 1,
      duplicate: false,
      rejections,
      rejected: 1,
    });
    expect(await send(parcel())).toEqual({ ...stored, duplicate: true });
    expect(service.requests.map(({ url }) => url)).toEqual([
      '/prefix/logs?invalid=skip',
      '/prefix/logs/events?invalid=skip',
      '/prefix/logs?invalid=skip',
    ]);
    expect(service.requests[0]?.headers).toMatchObject({
      'content-type': NDJSON,
      'idempotency-key': 'file:0-10',
      authorization: 'Bearer secret',
    });
  });

  it.each([
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const)('goes as %s', async (compression, unpack) => {
    await createSender({ compression }).send(parcel());
    const [request] = service.requests;
    expect(request?.headers['content-encoding']).toBe(compression);
    expect(unpack(request?.body ?? '').toString()).toBe('{"a":1}\n{"a":2}\n');
  });

  it('goes uncompressed from then on where the service does not take the compression', async () => {
    const { send } = createSender({ compression: 'zstd' });
    service.replyNext(problem(415, 'unsupported-content-encoding'));
    expect(await send(parcel())).toMatchObject({ accepted: 2 });
    await send(parcel({ key: 'b' }));
    expect(service.requests.map(({ headers }) => headers['content-encoding'])).toEqual(['zstd', undefined, undefined]);
    expect(said).toEqual(['the service does not take zstd; sending uncompressed from now on']);
  });
});

describe('tries again', () => {
  it('twice as late each time, up to half a minute, and as late as it is asked to', async () => {
    const now = 1_800_000_000_000;
    service.replyNext(
      ...Array<Reply>(8).fill(reply(500)),
      reply(429, '', { 'Retry-After': '90' }),
      reply(503, '', { 'Retry-After': new Date(now + 600_000).toUTCString() }),
      reply(503, '', { 'Retry-After': '99999999' }),
    );
    await createSender({ clock: () => now }).send(parcel());
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 90_000, 600_000, 3_600_000]);
  });

  it.each([
    ['a lost answer', cut],
    [
      'an answer that is cut in the middle',
      ((_received, response) => {
        response.writeHead(202, { 'Content-Length': '100' });
        response.write('{"accepted"', () => response.destroy());
      }) satisfies Reply,
    ],
    [
      'an answer without an end',
      ((_received, response) => {
        response.writeHead(202);
        const more = () => response.write('x'.repeat(256 * 1024), (error) => error == null && more());
        more();
      }) satisfies Reply,
    ],
  ])('after %s, and takes the repeat for what it is', async (_name, odd) => {
    service.replyNext((received, response) => {
      // It stores the parcel, and nobody learns of it.
      service.store(received, { writeHead: () => undefined, end: () => undefined } as never);
      odd(received, response);
    });
    expect(await createSender().send(parcel())).toMatchObject({ accepted: 2, duplicate: true });
    expect(service.stored()).toHaveLength(2);
    expect(said).toEqual([
      expect.stringMatching(/^cannot reach url=http:\/\/127\.0\.0\.1:\d+: .*; next attempt in 0\.3 s$/),
    ]);
  });

  it.each([
    ['no answer within 0.05 s', (() => undefined) satisfies Reply],
    [
      'the answer was not whole within 0.05 s',
      ((_received, response) => {
        response.writeHead(202);
        const timer = setInterval(() => response.write(' '), 5);
        response.on('close', () => clearInterval(timer));
      }) satisfies Reply,
    ],
  ])('after %s', async (message, slow) => {
    service.replyNext(slow);
    expect(await createSender({ timeoutMs: 50 }).send(parcel())).toMatchObject({ accepted: 2 });
    expect(said[0]).toContain(message);
  });

  it('at once where the service closed a connection that waited for its next request', async () => {
    const { send } = createSender();
    await send(parcel());
    service.replyNext((_received, response) => void response.socket?.resetAndDestroy());
    expect(await send(parcel({ key: 'b' }))).toMatchObject({ accepted: 2, duplicate: false });
    expect([said, waits, service.requests.length]).toEqual([[], [], 3]);
  });

  it('for ever when it is told to', async () => {
    service.replyNext(...Array<Reply>(100).fill(reply(503)));
    expect(await createSender({ retries: 'forever' }).send(parcel())).toMatchObject({ accepted: 2 });
  });
});

describe('gives up', () => {
  it.each([
    ['busy', reply(503, '{"detail":"disk full"}'), 'the service answered 503: disk full', false],
    ['silent', cut, 'cannot reach url=', true],
  ])('after so many attempts at a %s service, and says whether the parcel may be stored', async (_name, odd, text, mayBeStored) => {
    service.replyNext(odd, odd, odd);
    const error = await createSender({ retries: 2 })
      .send(parcel())
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GaveUpError);
    expect(error).toMatchObject({ mayBeStored, message: expect.stringMatching(/^(.*); gave up after 3 attempts$/) });
    expect(error).toMatchObject({ message: expect.stringContaining(text) });
  });

  it('when nobody listens: then nothing is stored', async () => {
    const other = await startScriptedService();
    await other.close();
    const sending = createSender({ url: other.url, retries: 0 }).send(parcel());
    await expect(sending).rejects.toMatchObject({ name: 'GaveUpError', mayBeStored: false });
  });

  it('with the reason of the signal, in a request and in a pause', async () => {
    for (const odd of [(() => undefined) satisfies Reply, reply(503, '', { 'Retry-After': '60' })]) {
      const stop = new AbortController();
      const reason = new Error('stopped');
      const arrived = once(service.server, 'request');
      service.replyNext(odd);
      const sending = createSender({ signal: stop.signal, wait: undefined, retries: 'forever' }).send(parcel());
      await arrived;
      setImmediate(() => stop.abort(reason));
      await expect(sending).rejects.toBe(reason);
    }
  });

  it('when it is closed, and does not know what became of what was under way', async () => {
    const sender = createSender();
    service.replyNext(() => sender.close());
    await expect(sender.send(parcel())).rejects.toMatchObject({ message: 'the sender is closed', mayBeStored: true });
    await expect(sender.send(parcel())).rejects.toMatchObject({ message: 'the sender is closed', mayBeStored: false });
  });
});

describe('is refused', () => {
  it.each([
    [problem(401, 'unauthorized'), { status: 401, type: 'unauthorized', detail: 'because unauthorized' }],
    [problem(400, 'too-many-hours'), { status: 400, type: 'too-many-hours', mayPassInParts: true }],
    [problem(422, 'idempotency-conflict'), { status: 422, type: 'idempotency-conflict', mayPassInParts: false }],
    [
      reply(413, '<html>too large</html>'),
      { status: 413, type: '', detail: '<html>too large</html>', mayPassInParts: true },
    ],
    [reply(400, '{"type":"about:blank","detail":7}'), { status: 400, type: '' }],
    [
      reply(307, '', { Location: 'https://elsewhere/logs' }),
      { status: 307, detail: 'it redirects to https://elsewhere/logs; give the address of the service itself' },
    ],
  ])('at once, with what the answer says (%#)', async (answer, expected) => {
    service.replyNext(answer);
    const error = await createSender()
      .send(parcel())
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject(expected);
    expect(service.requests).toHaveLength(1);
  });

  it('by an answer that came before the body was read', async () => {
    service.replyEarly((message, response) => {
      response.writeHead(413, { Connection: 'close' }).end('{"detail":"too large"}', () => message.socket.end());
      return true;
    });
    const sending = createSender().send(parcel({ body: Buffer.alloc(8 * 1024 * 1024, 'x\n') }));
    await expect(sending).rejects.toMatchObject({ status: 413, detail: 'too large' });
  });

  it('record by record: that is an outcome', async () => {
    const errors = [{ index: 0, reason: 'a' }, { index: 1, reason: 'b' }, 7, { index: 'x' }];
    service.replyNext(problem(400, 'invalid-records', { errors, errorCount: 5 }));
    expect(await createSender().send(parcel())).toEqual({
      accepted: 0,
      duplicate: false,
      rejected: 5,
      rejections: errors.slice(0, 2),
    });
  });

  it.each([
    reply(202, '<html>'),
    reply(200, '{"accepted":2}'),
    reply(204),
  ])('does not believe a success that is not of this service (%#)', async (answer) => {
    service.replyNext(answer);
    await expect(createSender().send(parcel())).rejects.toThrow('cannot read the answer to a batch: ');
  });
});
