import { describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import { BatchTooLargeError, type Deliver, IdempotencyConflict, UnavailableError } from '../model/deliver.ts';
import { BreakerOpenError, createBreaker } from './breaker.ts';

type Outcome = 'ok' | Error;
const DOWN = new UnavailableError('down', 1);

function setUp(options: { failures?: number; cooldownMs?: number } = {}) {
  let now = 1_000;
  const changes: string[] = [];
  const calls: { settle(outcome: Outcome): void }[] = [];
  const metrics = createMetrics({ defaultMetrics: false });
  const breaker = createBreaker({
    failures: 3,
    cooldownMs: 100,
    ...options,
    clock: () => now,
    metrics,
    onChange: (state) => changes.push(state),
  });
  const destination: Deliver = () =>
    new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => (outcome === 'ok' ? resolve({ durability: 'broker' }) : reject(outcome));
      calls.push({ settle });
    });
  const guarded = breaker.wrap(destination);
  /** One delivery, and what it comes to. */
  const start = () =>
    guarded([]).then(
      () => 'ok' as const,
      (error: Error) => error,
    );
  const deliver = async (outcome: Outcome) => {
    const result = start();
    calls.at(-1)?.settle(outcome);
    return result;
  };
  const passMs = (ms: number) => {
    now += ms;
  };
  return { breaker, calls, changes, start, deliver, passMs, metrics };
}

describe('the breaker', () => {
  it('opens after so many failures in a row, and then tries nothing', async () => {
    const { breaker, calls, changes, start, deliver } = setUp();
    await deliver(DOWN);
    await deliver(DOWN);
    await deliver('ok');
    await deliver(DOWN);
    await deliver(DOWN);
    expect(breaker.state()).toBe('closed');
    await deliver(DOWN);
    expect(breaker.state()).toBe('open');
    expect(await start()).toBeInstanceOf(BreakerOpenError);
    expect(calls).toHaveLength(6);
    expect(changes).toEqual(['open']);
  });

  it('says when it is worth trying again', async () => {
    const { start, deliver, passMs } = setUp({ failures: 1, cooldownMs: 10_000 });
    await deliver(DOWN);
    passMs(2_500);
    expect(await start()).toMatchObject({ retryAfterSeconds: 8 });
  });

  it('lets one delivery probe after the cool-down, and closes when that succeeds', async () => {
    const { breaker, calls, start, deliver, passMs } = setUp({ failures: 1 });
    await deliver(DOWN);
    passMs(100);
    const probe = start();
    expect(breaker.state()).toBe('half-open');
    expect(await start()).toBeInstanceOf(BreakerOpenError);
    expect(calls).toHaveLength(2);
    calls[1]?.settle('ok');
    expect(await probe).toBe('ok');
    expect(breaker.state()).toBe('closed');
    expect(await deliver('ok')).toBe('ok');
  });

  it('opens again when the probe fails', async () => {
    const { breaker, start, deliver, passMs, changes } = setUp({ failures: 1 });
    await deliver(DOWN);
    passMs(100);
    await deliver(DOWN);
    expect(breaker.state()).toBe('open');
    passMs(99);
    expect(await start()).toBeInstanceOf(BreakerOpenError);
    passMs(1);
    await deliver('ok');
    expect(changes).toEqual(['open', 'half-open', 'open', 'half-open', 'closed']);
  });

  it('does not hold a batch that is at fault itself against the destination', async () => {
    const { breaker, deliver } = setUp({ failures: 1 });
    const tooLarge = new BatchTooLargeError('too large', { bytes: 2, limit: 1 });
    expect(await deliver(tooLarge)).toBe(tooLarge);
    await deliver(new IdempotencyConflict('k'));
    await deliver(Object.assign(new Error('the client hung up'), { name: 'AbortError' }));
    expect(breaker.state()).toBe('closed');
  });

  it('takes a refusal for the batch’s sake as an answer: the destination is there', async () => {
    const { breaker, deliver, passMs } = setUp({ failures: 1 });
    await deliver(DOWN);
    passMs(100);
    await deliver(new BatchTooLargeError('too large', { bytes: 2, limit: 1 }));
    expect(breaker.state()).toBe('closed');
  });

  it('learns nothing from deliveries that began before its state changed', async () => {
    const { breaker, calls, start, deliver, passMs } = setUp({ failures: 1 });
    const slow = [start(), start()];
    await deliver(DOWN);
    calls[0]?.settle('ok');
    expect(await slow[0]).toBe('ok');
    expect(breaker.state()).toBe('open');
    passMs(100);
    await deliver('ok');
    calls[1]?.settle(DOWN);
    await slow[1];
    expect(breaker.state()).toBe('closed');
  });

  it('does not stay open for longer because the clock was set back', async () => {
    const { breaker, deliver, passMs } = setUp({ failures: 1 });
    await deliver(DOWN);
    passMs(-3_600_000);
    await deliver('ok');
    expect(breaker.state()).toBe('closed');
  });

  it('shows its state', async () => {
    const { deliver, metrics } = setUp({ failures: 1 });
    const shown = async () => {
      const { values } = await metrics.breakerState.get();
      return values.filter(({ value }) => value === 1).map(({ labels }) => labels.state);
    };
    expect(await shown()).toEqual(['closed']);
    await deliver(DOWN);
    expect(await shown()).toEqual(['open']);
  });
});
