import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/storage.ts';
import type { InputFixture } from './fixture.case.ts';
import { joinLines, makeLines, setUp } from './flow.case.ts';

/** The limits of connections. */
export function describeLimits(fixture: InputFixture): void {
  describe('a connection', () => {
    it('beyond maxConnections is closed, and one is accepted when another has gone', async () => {
      const { start, connect, refused, awaitLines } = await setUp(fixture, { limits: { maxConnections: 2 } });
      await start();
      const first = await connect();
      await first.send('a\n');
      const second = await connect();
      await second.send('b\n');
      await awaitLines(2);
      const third = await connect().catch(() => undefined);
      await third?.closed;
      expect(refused).toEqual(['too_many_connections']);
      await first.close();
      await eventually(async () => {
        const fourth = await connect();
        await fourth.send('c\n');
        await awaitLines(3);
      });
    });

    it('is closed when nothing comes from it for the idle time; its frame under way is put aside', async () => {
      const { start, connect, refused, unread, connections, lines } = await setUp(fixture, {
        limits: { idleTimeoutMs: 100 },
      });
      await start();
      const sender = await connect();
      await sender.send('one\nhalf a li');
      await sender.closed;
      expect(refused).toEqual(['idle']);
      await eventually(() => expect(unread).toHaveLength(1));
      expect(unread[0]?.beginning.toString()).toContain('half a li');
      expect(unread[0]?.reason).toContain('idleTimeout');
      expect(lines).toEqual(['one']);
      expect(connections.at(-1)).toBe(0);
    });

    it('is not idle while it must wait for us, and is idle when it sends nothing afterwards', async () => {
      const { start, connect, hold, release, refused, awaitLines } = await setUp(fixture, {
        maxInFlightBytes: 64 * 1024,
        limits: { idleTimeoutMs: 150 },
      });
      await start();
      hold();
      const sender = await connect();
      const sent = sender.send(joinLines(makeLines(10_000)));
      await pause(500);
      expect(refused).toEqual([]);
      release();
      await sent;
      await awaitLines(10_000);
      await sender.closed;
      expect(refused).toEqual(['idle']);
    });

    it('whose frame was begun first is closed when unfinished frames have too many bytes; the others go on', async () => {
      const { start, connect, refused, unread, lines, awaitLines } = await setUp(fixture, {
        limits: { maxUnfinishedBytes: 32 * 1024 },
      });
      await start();
      const slow = await connect();
      await slow.send('first\ns');
      await awaitLines(1);
      const others = await Promise.all([connect(), connect(), connect()]);
      for (const other of others) await other.send(`first\n${'o'.repeat(12_000)}`);
      await slow.closed;
      expect(refused).toEqual(['slow', 'slow']);
      // The first of the others had to go, too.
      for (const other of others) await other.send('end\n').catch(() => undefined);
      await awaitLines(6);
      expect(lines.filter((line) => line.endsWith('end'))).toHaveLength(2);
      await eventually(() => expect(unread).toHaveLength(2));
    });

    it('with long frames that come whole is not taken for slow', async () => {
      const { start, connect, refused, awaitLines } = await setUp(fixture, {
        maxFrameBytes: 32 * 1024,
        limits: { maxUnfinishedBytes: 48 * 1024 },
      });
      await start();
      const busy = await connect();
      const long = `${'b'.repeat(20_000)}\n`;
      await busy.send(long + long.slice(0, 15_000));
      await awaitLines(1);
      const slow = await connect();
      await slow.send('x\ns');
      await awaitLines(2);
      await busy.send(long.slice(15_000) + long.slice(0, 18_000));
      await awaitLines(3);
      const last = await connect();
      await last.send('l'.repeat(32_000));
      await slow.closed;
      expect(refused[0]).toBe('slow');
    });

    it('that vanishes leaves what it sent; its frame under way is put aside or a line, and others go on', async () => {
      const { start, connect, lines, unread, connections, awaitLines } = await setUp(fixture);
      await start();
      const lost = await connect();
      const other = await connect();
      await lost.send('whole\nhal');
      await awaitLines(1);
      lost.vanish();
      await eventually(() => expect(connections.at(-1)).toBe(1));
      await other.send('other\n');
      await eventually(() => expect(lines).toContain('other'));
      expect(lines.length + unread.length).toBe(3);
    });
  });
}
