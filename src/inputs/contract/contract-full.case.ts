import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/storage.ts';
import type { InputFixture, Sender } from './fixture.case.ts';
import { joinLines, makeLines, setUp } from './flow.case.ts';

const MAX_IN_FLIGHT = 256 * 1024;
/** What may be read beyond it: a piece of each connection that was under way, and what quiet ones may bring. */
const MOST_IN_FLIGHT = MAX_IN_FLIGHT + 2 * 1024 * 1024;

/** What an input does while the store cannot keep up. */
export function describeFull(fixture: InputFixture): void {
  describe('while the store waits', () => {
    if (fixture.kind === 'datagram') describeLoss(fixture);
    else describeWait(fixture);
  });
}

function describeWait(fixture: InputFixture): void {
  it('senders wait, memory has its limit, and nothing is lost', async () => {
    const { start, connect, hold, release, lines, peak, awaitLines } = await setUp(fixture, {
      maxInFlightBytes: MAX_IN_FLIGHT,
    });
    await start();
    hold();
    const names = fixture.kind === 'pipe' ? ['a'] : ['a', 'b'];
    const sent = await Promise.all(names.map(async (name) => sendUntilBlocked(await connect(), name)));
    expect(peak()).toBeGreaterThanOrEqual(MAX_IN_FLIGHT);
    expect(peak()).toBeLessThan(MOST_IN_FLIGHT);
    release();
    await Promise.all(sent.map(({ last }) => last));
    await awaitLines(sent.reduce((sum, { count }) => sum + count, 0));
    for (const [i, name] of names.entries()) {
      const ofName = lines.filter((line) => line.startsWith(name));
      // One comparison: they are many.
      expect(joinLines(ofName) === joinLines(makeLines(sent[i]?.count ?? 0, name))).toBe(true);
    }
  });

  it('senders that come then wait too, and are read afterwards', async () => {
    const { start, connect, hold, release, lines, awaitLines } = await setUp(fixture, {
      maxInFlightBytes: MAX_IN_FLIGHT,
    });
    await start();
    hold();
    const { count, last } = await sendUntilBlocked(await connect(), 'a');
    const late = fixture.kind === 'pipe' ? undefined : await connect();
    await late?.send('late\n');
    release();
    await last;
    await awaitLines(count + (late === undefined ? 0 : 1));
    expect(lines.filter((line) => line === 'late')).toHaveLength(late === undefined ? 0 : 1);
  });
}

function describeLoss(fixture: InputFixture): void {
  it('memory has its limit, and afterwards datagrams are taken again', async () => {
    const { start, connect, hold, release, lines, peak } = await setUp(fixture, { maxInFlightBytes: MAX_IN_FLIGHT });
    await start();
    hold();
    const sender = await connect();
    const datagram = joinLines(makeLines(10));
    // A Unix datagram socket makes its sender wait: such a `send` may stay pending.
    const sent = Array.from({ length: 1_000 }, () => sender.send(datagram).catch(() => undefined));
    await Promise.race([Promise.all(sent), pause(200)]);
    expect(peak()).toBeLessThan(MOST_IN_FLIGHT);
    release();
    await Promise.all(sent);
    await eventually(async () => {
      await sender.send('after\n');
      expect(lines).toContain('after');
    });
  });
}

/** Sends until a `send` has not resolved for a while: the kernel's buffers are full, and nobody reads. `last` is that one. */
async function sendUntilBlocked(sender: Sender, name: string): Promise<{ count: number; last: Promise<void> }> {
  const piece = 5_000;
  for (let count = piece; count <= 1_000_000; count += piece) {
    const last = sender.send(joinLines(makeLines(piece, name, count - piece)));
    const isSent = await Promise.race([last.then(() => true), pause(150, false)]);
    if (!isSent) return { count, last };
  }
  throw new Error('the sender never had to wait');
}
