import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogFields } from '../log.ts';
import type { Batch } from '../model/chunk.ts';
import {
  BatchTooLargeError,
  type CommitNote,
  type Deliver,
  IdempotencyConflict,
  PermanentError,
  UnavailableError,
} from '../model/deliver.ts';
import { createChannel } from './channel.ts';
import { packBatches, unpackBatches } from './pack.ts';
import { createRemoteDeliver, type DeliverCalls, serveDeliver } from './remote-deliver.ts';

const ports: MessageChannel[] = [];
afterEach(() => {
  for (const { port1 } of ports.splice(0)) port1.close();
});

function connect(deliver: Deliver) {
  const ends = new MessageChannel();
  ports.push(ends);
  let calls = 0;
  const serve = serveDeliver(deliver);
  createChannel<object>(ends.port2).answer<DeliverCalls>({
    deliver: (call) => {
      calls++;
      return serve(call);
    },
  });
  const channel = createChannel<DeliverCalls>(ends.port1);
  const logged: unknown[] = [];
  const log = { error: (message: string, fields?: LogFields) => void logged.push([message, fields]) };
  const reused: ArrayBuffer[] = [];
  const remote = createRemoteDeliver(channel.remote, log, (memory) => void reused.push(memory));
  return { channel, deliver: remote, calls: () => calls, logged, reused };
}

const chunk = (hour: number, lines: Buffer): Batch[number] => ({ stream: 'access', hour, count: 1, lines });

describe('a remote deliver', () => {
  it('carries lines that fill the pool of Buffer, which may not change hands', async () => {
    const seen: string[] = [];
    const { deliver } = connect(async (batch) => {
      seen.push(Buffer.concat(batch.map(({ lines }) => lines)).toString());
      return { durability: 'disk' };
    });
    const pieces = Array.from({ length: 64 }, (_, i) => Buffer.allocUnsafe(4_000).fill(65 + (i % 26)));
    // More than half of some pool is ours, so that it looks like memory of our own.
    const ours = Map.groupBy(pieces, ({ buffer }) => buffer);
    expect([...ours.values()].some((few) => few.length * 4_000 * 2 > (few[0]?.buffer.byteLength ?? 0))).toBe(true);
    await deliver(pieces.map((lines, hour) => chunk(hour, lines)));
    expect(seen).toEqual([Buffer.concat(pieces).toString()]);
  });

  it('carries batches and notes of any size across, several in one message', async () => {
    const seen: { hours: number[]; text: string[]; note: CommitNote | undefined }[] = [];
    const { deliver, calls } = connect(async (batch, note) => {
      seen.push({ hours: batch.map((one) => one.hour), text: batch.map((one) => one.lines.toString()), note });
      return { durability: 'disk', ...(note?.idempotency !== undefined && { replay: 'before' }) };
    });
    const body = Buffer.alloc(200_000, 'x');
    const note: CommitNote = { idempotency: { key: 'k', bodyHash: 'h', answer: 'a', time: 1 } };
    const receipts = await Promise.all([
      deliver([chunk(1, Buffer.from('small\n'))]),
      deliver([chunk(2, body.subarray(0, 100_000)), chunk(3, body.subarray(100_000))], note),
      deliver([]),
    ]);
    expect(receipts).toEqual([
      { durability: 'disk' },
      { durability: 'disk', replay: 'before' },
      { durability: 'disk' },
    ]);
    expect(seen.map((one) => one.hours)).toEqual([[1], [2, 3], []]);
    expect(seen[0]?.text).toEqual(['small\n']);
    expect(seen[1]?.text).toEqual(['x'.repeat(100_000), 'x'.repeat(100_000)]);
    expect(seen[1]?.note).toEqual(note);
    expect(calls()).toBe(1);
    expect(body.length).toBe(0);
  });

  it('brings memory back that was only lent', async () => {
    const { deliver, reused } = connect(async () => ({ durability: 'disk' }));
    const body = Buffer.alloc(131_072, 'x');
    await deliver([chunk(1, body.subarray(0, 100_000))]);
    expect(body.length).toBe(0);
    expect(reused.map(({ byteLength }) => byteLength)).toContain(131_072);
  });

  it.each([
    ['after a failure', () => Promise.reject(new Error('no'))],
    ['from the spool', () => Promise.resolve({ durability: 'spool' } as const)],
  ])('leaves memory where it is %s: it may still be read there', async (_, receipt) => {
    const { deliver, reused } = connect(async (batch) => (batch[0]?.hour === 1 ? receipt() : { durability: 'disk' }));
    const sent = [1, 2].map((hour) => deliver([chunk(hour, Buffer.alloc(131_072, 'x'))]));
    await Promise.allSettled(sent);
    expect(reused).toEqual([]);
  });

  it('rejects with the error of the other side', async () => {
    const errors = [
      new UnavailableError('disk full', 7),
      new IdempotencyConflict('k'),
      new BatchTooLargeError('too large', { bytes: 2, limit: 1 }),
      new PermanentError('never'),
      new Error('surprise'),
    ];
    const { deliver } = connect(async (batch) => {
      throw errors[batch[0]?.hour ?? 0];
    });
    const results = await Promise.allSettled(errors.map((_, i) => deliver([chunk(i, Buffer.from('x\n'))])));
    expect(results.map((result) => result.status === 'rejected' && result.reason)).toEqual(errors);
    const classes = results.map((result) => result.status === 'rejected' && result.reason.constructor);
    expect(classes).toEqual(errors.map((error) => error.constructor));
  });

  it('is unavailable when the other thread is gone, now and later', async () => {
    const { channel, deliver, logged } = connect(() => new Promise(() => undefined));
    const pending = deliver([chunk(0, Buffer.from('x\n'))]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    channel.end('the thread ended');
    await expect(pending).rejects.toThrow(UnavailableError);
    await expect(deliver([])).rejects.toThrow(UnavailableError);
    const why = { batches: 1, err: new Error('the thread ended') };
    expect(logged).toEqual([
      ['cannot hand batches to the thread that stores', why],
      ['cannot hand batches to the thread that stores', why],
    ]);
  });
});

describe('packing', () => {
  it('copies what may share its memory with others', () => {
    const shared = Buffer.alloc(1_000_000, 'x');
    const { buffers } = packBatches([[chunk(0, shared.subarray(0, 10))], [chunk(0, Buffer.from('pooled'))]]);
    expect(buffers.map((buffer) => buffer.byteLength)).toEqual([16]);
  });

  it('gives back what went in', () => {
    const batches = [
      [chunk(5, Buffer.from('a\n')), chunk(-6, Buffer.from('b\n'))],
      [],
      [chunk(7, Buffer.alloc(70_000, 'y'))],
    ];
    expect(unpackBatches(packBatches(batches))).toEqual(batches);
  });
});
