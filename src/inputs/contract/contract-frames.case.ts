import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/storage.ts';
import type { InputFixture } from './fixture.case.ts';
import { joinLines, makeLines, setUp } from './flow.case.ts';

export function describeFrames(fixture: InputFixture): void {
  describe('frames', () => {
    it('come in the order in which a sender sent them', async () => {
      const { start, connect, lines, awaitLines } = await setUp(fixture);
      await start();
      const sender = await connect();
      const sent = makeLines(1_000);
      for (let at = 0; at < sent.length; at += 10) {
        await sender.send(joinLines(sent.slice(at, at + 10)));
        // A datagram that nobody waits for may be dropped by the kernel.
        if (fixture.kind === 'datagram' && at % 50 === 0) await awaitLines(at);
      }
      await awaitLines(sent.length);
      expect(lines).toEqual(sent);
    });

    it('of several senders stay whole, and each sender keeps its order', async () => {
      const { start, connect, lines, awaitLines } = await setUp(fixture);
      await start();
      const names = ['a', 'b', 'c'];
      const senders = await Promise.all(names.map(() => connect()));
      for (let at = 0; at < 100; at += 10) {
        const pieces = names.map((name) => joinLines(makeLines(at + 10, name).slice(at)));
        await Promise.all(senders.map((sender, i) => sender.send(pieces[i] ?? '')));
        if (fixture.kind === 'datagram') await awaitLines(3 * at);
      }
      await awaitLines(300);
      for (const name of names) expect(lines.filter((line) => line.startsWith(name))).toEqual(makeLines(100, name));
    });

    if (fixture.kind === 'datagram') describeDatagrams(fixture);
    else describePieces(fixture);
    if (fixture.kind === 'stream') describeLastLine(fixture);
  });
}

function describeDatagrams(fixture: InputFixture): void {
  it('of a datagram need no newline after the last, and an empty datagram has none', async () => {
    const { start, connect, lines, awaitLines } = await setUp(fixture);
    await start();
    const sender = await connect();
    await sender.send('one\ntwo');
    await sender.send('');
    await sender.send('three\n');
    await awaitLines(3);
    expect(lines).toEqual(['one', 'two', 'three']);
  });
}

function describePieces(fixture: InputFixture): void {
  it('may come in pieces, a byte at a time', async () => {
    const { start, connect, lines, awaitLines } = await setUp(fixture);
    await start();
    const sender = await connect();
    const sent = ['first', 'the second', 'third é'];
    for (const byte of Buffer.from(joinLines(sent))) await sender.send(Buffer.of(byte));
    await awaitLines(sent.length);
    expect(lines).toEqual(sent);
  });

  it('may be as long as the limit; of a longer one the beginning is put aside, and the next is taken', async () => {
    const { start, connect, lines, unread, awaitLines } = await setUp(fixture, { maxFrameBytes: 4_096 });
    await start();
    const sender = await connect();
    const longest = 'l'.repeat(4_095);
    await sender.send(joinLines(['before', longest, `${longest}!`, 'between']));
    await sender.send(joinLines(['v'.repeat(1_000_000), 'after']));
    await awaitLines(4);
    expect(lines).toEqual(['before', longest, 'between', 'after']);
    await eventually(() => expect(unread).toHaveLength(2));
    expect(unread.map(({ reason }) => reason)).toEqual([
      'a frame of 4097 bytes is longer than 4096 (maxFrameBytes)',
      'a frame of 1000001 bytes is longer than 4096 (maxFrameBytes)',
    ]);
    expect(unread[1]?.beginning.toString()).toBe('v'.repeat(1_024));
  });
}

function describeLastLine(fixture: InputFixture): void {
  it('need no newline after the last when the sender closes', async () => {
    const { start, connect, lines, awaitLines, connections } = await setUp(fixture);
    await start();
    const sender = await connect();
    await sender.send('one\ntwo');
    await sender.close();
    await awaitLines(2);
    expect(lines).toEqual(['one', 'two']);
    expect(connections).toEqual([1, 0]);
  });
}
