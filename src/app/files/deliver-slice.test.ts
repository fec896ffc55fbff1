import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  linesOf,
  problem,
  type Reply,
  reply,
  type ScriptedService,
  startScriptedService,
} from '../../outputs/http/scripted-service.case.ts';
import { createServiceSender } from '../../outputs/http/service-sender.ts';
import { createSliceDelivery, type SliceDeliveryOptions } from './deliver-slice.ts';
import { accessLine, createRecorder, sliceOf } from './slice-fixture.case.ts';
import { keyByContent, keyByRange } from './slice-keys.ts';

let service: ScriptedService;
let sender: ReturnType<typeof createServiceSender>;
let seen: ReturnType<typeof createRecorder>;
/** Decides about each request; undefined: it is stored. */
let refuse: (body: Buffer) => Reply | undefined;

beforeEach(async () => {
  refuse = () => undefined;
  service = await startScriptedService((received, response) => {
    (refuse(received.body) ?? service.store)(received, response);
  });
  seen = createRecorder();
  sender = createServiceSender({
    url: service.url,
    connections: 1,
    retries: 2,
    notify: seen.report.notify,
    wait: async () => {},
  });
});
afterEach(async () => {
  sender.close();
  await service.close();
});

function createDelivery(more: Partial<SliceDeliveryOptions> = {}) {
  return createSliceDelivery({
    sender,
    stream: 'access',
    keyOf: keyByRange,
    conflict: 'duplicate',
    report: seen.report,
    clock: () => 0,
    ...more,
  });
}

const lines = Array.from({ length: 8 }, (_, i) => accessLine(`/${i}`, i));
const KEY = `abcdefghijklmnop:0-${lines.join('').length}`;
const NOTHING = {
  batches: 0,
  stored: 0,
  duplicates: 0,
  isKnown: false,
  refused: 0,
  unreadable: 0,
  bytes: 0,
  refusals: [],
};
const without = (index: number) => lines.filter((_, i) => i !== index).map((line) => line.trimEnd());

describe('a slice', () => {
  it('is stored under the key of its range, and known when it comes again', async () => {
    const deliver = createDelivery();
    await deliver(sliceOf(lines));
    await deliver(sliceOf(lines));
    expect(service.keys()).toEqual([KEY]);
    const bytes = lines.join('').length;
    expect(seen.outcomes).toEqual([
      { ...NOTHING, batches: 1, stored: 8, bytes },
      { ...NOTHING, batches: 1, duplicates: 8, isKnown: true, bytes },
    ]);
  });

  it('that has no record is not sent; its unreadable lines are kept', async () => {
    const unreadable = [{ number: 7, reason: 'no time', bytes: Buffer.from('junk') }];
    await createDelivery(seen)(sliceOf([], { number: 7, converted: { frames: 1, unreadable } }));
    expect(service.requests).toEqual([]);
    expect(seen.outcomes).toEqual([{ ...NOTHING, unreadable: 1 }]);
    expect(seen.rejected).toEqual([{ ...unreadable[0], time: 0, file: '/var/log/access.log' }]);
    expect(seen.letters).toEqual([]);
  });

  it('whose answer was lost is stored once', async () => {
    service.replyNext((received, response) => {
      service.store(received, { writeHead: () => {}, end: () => {} } as never);
      response.destroy();
    });
    await createDelivery()(sliceOf(lines));
    expect(service.stored()).toHaveLength(8);
    expect(seen.outcomes).toMatchObject([{ stored: 0, duplicates: 8 }]);
  });

  it('rejects when the service stays away, and is delivered the next time', async () => {
    service.replyNext(reply(503), reply(503), reply(503));
    const deliver = createDelivery(seen);
    await expect(deliver(sliceOf(lines))).rejects.toThrow('gave up after 3 attempts');
    expect([seen.outcomes, seen.letters]).toEqual([[], []]);
    await deliver(sliceOf(lines));
    expect(service.stored()).toHaveLength(8);
  });

  it('is known by its key whatever it is converted to, where the key stands for its range', async () => {
    service.replyNext(problem(422, 'idempotency-conflict'), problem(422, 'idempotency-conflict'));
    await createDelivery(seen)(sliceOf(lines));
    expect(seen.outcomes).toEqual([{ ...NOTHING, duplicates: 8, isKnown: true }]);
    expect(seen.said).toEqual([
      expect.stringMatching(/^\/var\/log\/access\.log: bytes 0 to \d+ were delivered before/),
    ]);
    await expect(createDelivery({ ...seen, conflict: 'refuse' })(sliceOf(lines))).rejects.toMatchObject({
      status: 422,
    });
    expect(seen.letters).toEqual([]);
  });
});

describe('the key by content', () => {
  it('is that of the same file and content alone', () => {
    const key = keyByContent(sliceOf(lines));
    expect(key).toMatch(/^[!-~]{1,200}$/);
    expect(keyByContent(sliceOf(lines))).toBe(key);
    const others = [
      keyByContent(sliceOf(lines, { id: 'another' })),
      keyByContent(sliceOf(lines.toReversed())),
      keyByContent(sliceOf(lines, { from: 1 })),
    ];
    expect(new Set([key, ...others]).size).toBe(4);
  });
});

describe('a batch that is too much', () => {
  it('in bytes is halved by records until it fits, each part under a key of its own', async () => {
    refuse = (body) => (linesOf(body).length > 2 ? reply(413) : undefined);
    const deliver = createDelivery();
    await deliver(sliceOf(lines));
    await deliver(sliceOf(lines));
    expect(service.keys()).toEqual(['0-2', '2-4', '4-6', '6-8'].map((part) => `${KEY}/${part}`));
    expect(service.stored()).toEqual(lines.map((line) => line.trimEnd()));
    expect(seen.outcomes).toMatchObject([
      { batches: 4, stored: 8, duplicates: 0 },
      { batches: 4, stored: 0, duplicates: 8 },
    ]);
  });

  it('in hours is cut before it is sent, and halved where the service allows less', async () => {
    await createDelivery({ maxHours: 3 })(sliceOf(lines));
    expect(service.keys()).toEqual(['0-3', '3-6', '6-8'].map((part) => `${KEY}/${part}`));
    expect(service.requests).toHaveLength(3);
    refuse = (body) => (linesOf(body).length > 4 ? problem(400, 'too-many-hours') : undefined);
    await createDelivery()(sliceOf(lines, { id: 'b' }));
    expect(service.keys().slice(3)).toEqual([`b${KEY.slice(16)}/0-4`, `b${KEY.slice(16)}/4-8`]);
    expect(service.stored()).toHaveLength(16);
  });

  it.each([
    'rejects',
    'deadLetters',
  ] as const)('in one record puts that aside (%s) and stores the others', async (place) => {
    refuse = (body) => (body.includes('"/5"') ? reply(413, '{"detail":"too large"}') : undefined);
    await createDelivery({ [place]: seen[place] })(sliceOf(lines, { number: 11 }));
    expect(service.stored()).toEqual(without(5));
    expect(seen.outcomes).toMatchObject([
      { stored: 7, refused: 1, refusals: [{ first: 16, last: 16, reason: 'too large' }] },
    ]);
    const raw = lines[5]?.trimEnd() ?? '';
    const about = { time: 0, reason: 'too large' };
    const file = '/var/log/access.log';
    if (place === 'rejects') expect(seen.rejected).toEqual([{ ...about, file, number: 16, bytes: Buffer.from(raw) }]);
    else expect(seen.letters).toEqual([{ ...about, stage: 'input', raw, source: `${file}:16` }]);
    expect(seen.rejected.length + seen.letters.length).toBe(1);
  });
});

describe('a batch that is refused for its own sake', () => {
  it('goes to the dead letters record by record, where there are some', async () => {
    refuse = () => problem(400, 'malformed-body');
    await createDelivery({ ...seen, stream: 'events' })(sliceOf(lines));
    expect(seen.letters.map(({ raw }) => raw)).toEqual(lines.map((line) => line.trimEnd()));
    const reason = 'because malformed-body';
    expect(seen.letters[2]).toMatchObject({
      stage: 'input',
      stream: 'events',
      source: '/var/log/access.log:3',
      reason,
    });
    expect(seen.outcomes).toMatchObject([{ stored: 0, refused: 8 }]);
  });

  it('rejects the slice where there are none', async () => {
    refuse = () => problem(400, 'malformed-body');
    await expect(createDelivery({ rejects: seen.rejects })(sliceOf(lines))).rejects.toMatchObject({ status: 400 });
    expect([seen.rejected, seen.outcomes]).toEqual([[], []]);
  });

  it.each([401, 403, 404, 405, 415, 307])('is none where the answer concerns every batch (%i)', async (status) => {
    refuse = () => reply(status);
    await expect(createDelivery(seen)(sliceOf(lines))).rejects.toMatchObject({ status });
    expect([seen.letters, seen.outcomes]).toEqual([[], []]);
  });
});

describe('records that are refused', () => {
  const errors = [{ index: 1, reason: 'record 1 missing path' }];

  it('are named with their place in the file; the service keeps them as dead letters', async () => {
    const unreadable = [3, 5].map((number) => ({ number, reason: 'junk', bytes: Buffer.from('junk') }));
    const answer = reply(202, JSON.stringify({ accepted: 7, rejected: 1, errors }));
    service.replyNext(answer, answer, answer);
    const deliver = createDelivery(seen);
    await deliver(sliceOf(lines, { number: 2, converted: { frames: 10, unreadable } }));
    await deliver(sliceOf(lines, { number: 2, converted: { frames: 20 } }));
    await deliver(sliceOf(lines, { number: 2, converted: { frames: 20, numbers: (index) => index * 100 } }));
    const reason = 'missing path';
    expect(seen.outcomes.map(({ refusals }) => refusals)).toEqual([
      [{ first: 4, last: 4, reason }],
      [{ first: 2, last: 21, reason }],
      [{ first: 100, last: 100, reason }],
    ]);
    expect(seen.outcomes).toMatchObject([{ refused: 1 }, { refused: 1 }, { refused: 1 }]);
    expect(seen.letters).toEqual([]);
  });

  it('are put aside where the service stored nothing, because then it keeps no dead letter', async () => {
    service.replyNext(problem(400, 'invalid-records', { errors, errorCount: 8 }));
    await createDelivery(seen)(sliceOf(lines));
    expect(seen.letters).toHaveLength(8);
    expect(seen.letters[1]).toMatchObject({ reason: 'missing path', source: '/var/log/access.log:2' });
    expect(seen.outcomes).toMatchObject([{ stored: 0, refused: 8 }]);
  });
});

it('a slice is not delivered before its dead letters are written', async () => {
  refuse = () => problem(422, 'unprocessable-batch');
  const add = () => Promise.reject(new Error('cannot write path=letters.ndjson: ENOSPC'));
  await expect(createDelivery({ deadLetters: { add } })(sliceOf(lines))).rejects.toThrow('ENOSPC');
  expect(seen.outcomes).toEqual([]);
});
