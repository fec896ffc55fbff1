import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/storage.ts';
import type { InputFixture, Sender } from './fixture.case.ts';
import { joinLines, makeLines, setUp } from './flow.case.ts';

export function describeStop(fixture: InputFixture): void {
  describe('the stop', () => {
    it('delivers what the kernel had taken', async () => {
      const { input, start, connect, lines } = await setUp(fixture);
      await start();
      const sender = await connect();
      const sent = makeLines(fixture.kind === 'datagram' ? 100 : 2_000);
      for (let at = 0; at < sent.length; at += 10) await sender.send(joinLines(sent.slice(at, at + 10)));
      await input.stop(5_000);
      expect(lines).toEqual(sent);
    });

    it('takes little time where nothing comes', async () => {
      const { input, start, connect } = await setUp(fixture);
      await start();
      await connect();
      const started = performance.now();
      await input.stop(30_000);
      expect(performance.now() - started).toBeLessThan(3_000);
    });

    it('ends with its time, when the store waits, and says that not all is delivered', async () => {
      const { input, start, connect, hold } = await setUp(fixture, { maxInFlightBytes: 64 * 1024 });
      await start();
      hold();
      const sender = await connect();
      const sent = sender.send(joinLines(makeLines(10))).catch(() => undefined);
      await sent;
      const started = performance.now();
      await expect(input.stop(400)).rejects.toThrow();
      expect(performance.now() - started).toBeLessThan(2_000);
    });

    it('waits for the store within its time', async () => {
      const { input, start, connect, hold, release, lines } = await setUp(fixture);
      await start();
      hold();
      const sender = await connect();
      await sender.send(joinLines(makeLines(10)));
      const stopped = input.stop(10_000);
      setTimeout(release, 100);
      await stopped;
      expect(lines).toEqual(makeLines(10));
    });

    if (fixture.kind === 'stream') describeConnectionsAtStop(fixture);
  });
}

function describeConnectionsAtStop(fixture: InputFixture): void {
  it('counts the frame that it cuts, and closes its connection', async () => {
    const { input, start, connect, lines, unread, dropped, connections, awaitLines } = await setUp(fixture);
    await start();
    const [sender, quiet] = await Promise.all([connect(), connect()]);
    await sender.send('whole\nhalf');
    await awaitLines(1);
    await input.stop(5_000);
    await Promise.all([sender.closed, quiet.closed]);
    expect(connections.at(-1)).toBe(0);
    expect(lines.length + unread.length + (dropped.get('stop') ?? 0)).toBe(2);
  });

  it('reads a client that goes on sending until its time is over', async () => {
    const { input, start, connect, lines } = await setUp(fixture);
    await start();
    const sender = await connect();
    let isOver = false;
    const sending = sendWhile(sender, () => !isOver);
    await eventually(() => expect(lines.length).toBeGreaterThan(0));
    const started = performance.now();
    await input.stop(1_000);
    isOver = true;
    expect(performance.now() - started).toBeLessThan(3_000);
    await sending;
    const numbers = lines.map((line) => Number(line.split(' ')[1]));
    expect(numbers).toEqual(numbers.map((_, i) => i));
  });

  it('reads connections that the kernel has accepted', async () => {
    const { input, start, connect, lines } = await setUp(fixture, { limits: { maxConnections: 1_000 } });
    await start();
    const sending = Array.from({ length: 50 }, async (_, i) => {
      const sender = await connect();
      await sender.send(`of ${i}\n`);
    });
    await Promise.all(sending);
    await input.stop(5_000);
    expect(lines.length).toBe(50);
  });
}

async function sendWhile(sender: Sender, goesOn: () => boolean): Promise<void> {
  for (let i = 0; goesOn(); i++) {
    try {
      await sender.send(`s ${i} ${'x'.repeat(90)}\n`);
    } catch {
      return;
    }
  }
}
