import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { countFrames } from '../lines/block-form.ts';
import { createClientRate } from './client-rate.ts';
import type { InputFixture } from './contract/fixture.case.ts';
import { joinLines, makeLines, setUp } from './contract/flow.case.ts';
import { connectStream } from './contract/stream-sender.case.ts';
import { createStreamInput } from './stream-input.ts';

function fixture(requestsPerSecond: number, burst: number): InputFixture {
  return {
    kind: 'stream',
    place: 'address',
    create(options) {
      const rate = createClientRate({ requestsPerSecond, burst });
      const pace = (client: string, frames: Buffer) => rate.charge(client, countFrames('lines', frames));
      const listen = { host: '127.0.0.1', port: 0 };
      return { input: createStreamInput({ ...options, listen, tls: undefined, pace }), connect: connectStream };
    },
  };
}

/** `pace`: the milliseconds for which the client is held. */
function paced(pace: (frames: Buffer) => number): InputFixture {
  return {
    kind: 'stream',
    place: 'address',
    create(options) {
      const listen = { host: '127.0.0.1', port: 0 };
      const input = createStreamInput({ ...options, listen, tls: undefined, pace: (_client, frames) => pace(frames) });
      return { input, connect: connectStream };
    },
  };
}

describe('a connection of a client that sends more than its rate', () => {
  it('is not read for so long, and loses nothing', async () => {
    const { start, connect, lines, awaitLines, dropped } = await setUp(fixture(100, 10));
    await start();
    const sender = await connect();
    const started = performance.now();
    for (let at = 0; at < 60; at += 10) {
      await sender.send(joinLines(makeLines(10, 's', at)));
      await awaitLines(at + 10);
    }
    // Ten at once, then a hundred a second.
    expect(performance.now() - started).toBeGreaterThan(350);
    expect(lines).toEqual(makeLines(60));
    expect(dropped.size).toBe(0);
  });

  it('is read at the stop', async () => {
    const { input, start, connect, lines, awaitLines } = await setUp(fixture(1, 1));
    await start();
    const sender = await connect();
    await sender.send('first\nsecond\n');
    await awaitLines(2);
    await sender.send('third\n');
    await input.stop(5_000);
    expect(lines).toEqual(['first', 'second', 'third']);
  });

  it('loses nothing at the stop of what the kernel had taken', async () => {
    const { input, start, connect, lines, awaitLines } = await setUp(fixture(1, 1));
    await start();
    const sender = await connect();
    const sent = makeLines(20_000);
    await sender.send('first\nsecond\n');
    await awaitLines(2);
    await sender.send(joinLines(sent));
    await input.stop(10_000);
    expect(lines.length).toBe(sent.length + 2);
    expect(joinLines(lines.slice(2)) === joinLines(sent)).toBe(true);
  });

  it('waits until all is paid, as its other connections do, the new ones too', async () => {
    let debtMs = 0;
    let isAsked = Promise.withResolvers<void>();
    const { start, connect, lines, awaitLines } = await setUp(
      paced((frames) => {
        isAsked.resolve();
        if (frames.includes('big')) debtMs = 5;
        return debtMs;
      }),
    );
    await start();
    const first = await connect();
    await first.send('big\n');
    await awaitLines(1);
    await first.send('next\n');
    const second = await connect();
    await second.send('of another connection\n');
    for (let i = 0; i < 6; i++) {
      isAsked = Promise.withResolvers();
      await isAsked.promise;
    }
    expect(lines).toEqual(['big']);
    debtMs = 0;
    await awaitLines(3);
  });

  it('is not idle while it is held, and is idle afterwards', async () => {
    let debtMs = 0;
    const { start, connect, refused, awaitLines } = await setUp(
      paced((frames) => {
        if (frames.length > 0) debtMs = 20;
        return debtMs;
      }),
      { limits: { idleTimeoutMs: 60 } },
    );
    await start();
    const sender = await connect();
    await sender.send('one\n');
    await awaitLines(1);
    await pause(300);
    expect(refused).toEqual([]);
    debtMs = 0;
    await sender.closed;
    expect(refused).toEqual(['idle']);
  });
});
