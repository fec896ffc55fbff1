import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import type { BlockFraming } from '../decode/decode.ts';
import { createCountedFraming } from '../decode/frames/counted-framing.ts';
import { createUniversalFraming } from '../decode/frames/universal-framing.ts';
import { framesOf } from '../lines/block-form.ts';
import { FRAME_KINDS, HEADER_BYTES, writeHeader } from '../lines/frame-header.ts';
import type { Block } from '../service/service.ts';
import { createRecordingFlow } from './contract/flow.case.ts';
import { connectStream } from './contract/stream-sender.case.ts';
import { Feed } from './feed.ts';
import { createAsideGate, createGate } from './gate.ts';
import type { WhenFull } from './inputs.ts';
import { createStreamInput } from './stream-input.ts';

/* What the contract suite, whose frames are lines and whose senders wait, does not reach: over real sockets. */

const MAX_FRAME_BYTES = 1_000;

/** An input of frames with headers, before an intake that can be held. */
async function setUp(framing: BlockFraming, whenFull: WhenFull = 'wait') {
  const recording = createRecordingFlow(0);
  const { flow, refused, dropped } = recording;
  const frames: string[] = [];
  const unread: string[] = [];
  let held: PromiseWithResolvers<void> | undefined;
  async function intake(block: Block): Promise<void> {
    const whole = Array.from(framesOf('frames', block.bytes), (frame) => frame.toString('latin1', HEADER_BYTES));
    await held?.promise;
    await block.after;
    frames.push(...whole);
    unread.push(...block.unread.map(({ reason }) => reason));
  }
  const feed = new Feed({
    intake,
    flushIntervalMs: 2,
    flushBytes: 4 * 1024,
    maxInFlightBytes: 16 * 1024,
    reusesMemory: true,
    onRoom: () => flow.onRoom(),
    onInFlight: () => undefined,
    onGivenUp: () => undefined,
    clock: () => 0,
  });
  const onDropped = (count: number) => flow.onDropped('full', count);
  flow.take = createGate({ feed, framesOf: (block) => framesOf('frames', block), whenFull, onDropped });
  flow.putAside = createAsideGate({ feed, whenFull, onDropped });
  const input = createStreamInput({
    name: 'in',
    listen: { host: '127.0.0.1', port: 0 },
    tls: undefined,
    framing,
    maxFrameBytes: MAX_FRAME_BYTES,
    limits: { maxConnections: 10, idleTimeoutMs: undefined, maxUnfinishedBytes: 64 * 1024 },
    flow,
    log: { info: () => undefined, warn: () => undefined },
  });
  const where = await input.start();
  const sender = await connectStream(where);
  onTestFinished(async () => {
    held?.resolve();
    sender.vanish();
    await input.stop(500).catch(() => undefined);
  });
  return {
    sender,
    frames,
    unread,
    refused,
    dropped: () => dropped.get('full') ?? 0,
    hold() {
      held = Promise.withResolvers();
      return held.resolve;
    },
  };
}

const universal = createUniversalFraming({ maxFrameBytes: MAX_FRAME_BYTES });
const counted = createCountedFraming({ maxFrameBytes: MAX_FRAME_BYTES, kind: FRAME_KINDS.text, orLines: false });

function withHeader(text: string): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + text.length);
  frame.write(text, writeHeader(frame, 0, FRAME_KINDS.json, text.length), 'latin1');
  return frame;
}

const withLength = (text: string) => Buffer.from(`${text.length} ${text}`, 'latin1');

describe.each([
  ['universal', universal, withHeader],
  ['octet-counted', counted, withLength],
])('frames that are %s', (name, framing, encode) => {
  it('come whole and in order, however they are cut', async () => {
    const { sender, frames } = await setUp(framing);
    const sent = Array.from({ length: 50 }, (_, i) => `${i} ${'\n \0'.repeat(i)}`);
    const bytes = Buffer.concat(sent.map(encode));
    for (let at = 0; at < bytes.length; at += 61) await sender.send(bytes.subarray(at, at + 61));
    await eventually(() => expect(frames).toHaveLength(sent.length));
    expect(frames).toEqual(sent);
  });

  it('that are too long are put aside, and the next are taken', async () => {
    const { sender, frames, unread } = await setUp(framing);
    await sender.send(Buffer.concat(['before', 'x'.repeat(2_000), 'after'].map(encode)));
    await eventually(() => expect(frames).toEqual(['before', 'after']));
    expect(unread).toEqual(['a frame of 2000 bytes is longer than 1000 (maxFrameBytes)']);
  });

  it(`of length 0 ${name === 'universal' ? 'are empty frames' : 'close the connection'}`, async () => {
    const { sender, frames, refused, unread } = await setUp(framing);
    await sender.send(Buffer.concat(['before', '', 'after'].map(encode)));
    if (name === 'universal') {
      await eventually(() => expect(frames).toEqual(['before', '', 'after']));
      return;
    }
    await sender.closed;
    await eventually(() => expect(unread).toHaveLength(1));
    expect([frames, refused]).toEqual([['before'], ['bad_frame']]);
  });

  it.each<WhenFull>([
    'drop',
    { sampleOneIn: 10 },
  ])('are taken or counted as dropped with whenFull %j', async (whenFull) => {
    const { sender, frames, unread, dropped, hold } = await setUp(framing, whenFull);
    const release = hold();
    const good = Array.from({ length: 20 }, (_, i) => encode(`${i} ${'x'.repeat(90)}`));
    const piece = Buffer.concat([...good, encode('y'.repeat(2_000))]);
    const pieces = 500;
    // 2 MB: with an intake that waits, these would stay pending.
    const sent = Promise.all(Array.from({ length: pieces }, () => sender.send(piece))).then(() => sender.close());
    expect(await Promise.race([sent.then(() => 'sent'), pause(10_000, 'waits', { ref: false })])).toBe('sent');
    expect(dropped()).toBeGreaterThan(0);
    release();
    await eventually(() => expect(frames.length + unread.length + dropped()).toBe(pieces * (good.length + 1)));
    if (whenFull !== 'drop') expect(frames.length).toBeGreaterThan(0);
  });
});
