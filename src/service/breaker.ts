import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import { type Deliver, UnavailableError } from '../model/deliver.ts';

export const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** Not tried: the destination has failed too often of late. */
export class BreakerOpenError extends UnavailableError {}

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long it stays open before one delivery may probe, ms. */
  readonly cooldownMs: number;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'breakerState'>;
  readonly onChange?: (state: BreakerState) => void;
}

/**
 * Keeps callers from waiting on a destination that is down. Closed: everything goes through. Open: nothing does.
 * Half-open: one delivery probes, and its outcome decides. Only UnavailableError is a failure of the destination; a
 * batch that is at fault itself says nothing about it.
 */
export interface Breaker {
  wrap(deliver: Deliver): Deliver;
  state(): BreakerState;
}

export function createBreaker(options: BreakerOptions): Breaker {
  const { failures, cooldownMs, clock, metrics, onChange } = options;
  let state: BreakerState = 'closed';
  let failed = 0;
  let openUntil = 0;
  /** One more with every change of state: outcomes of what began before say nothing about now. */
  let epoch = 0;
  show();

  function change(next: BreakerState): void {
    state = next;
    failed = 0;
    epoch++;
    if (next === 'open') openUntil = clock() + cooldownMs;
    show();
    onChange?.(next);
  }

  function show(): void {
    for (const name of BREAKER_STATES) metrics.breakerState.set({ state: name }, name === state ? 1 : 0);
  }

  /** Throws unless the delivery may go ahead. */
  function admit(): void {
    if (state === 'closed') return;
    const waitMs = openUntil - clock();
    // A clock that was set back must not keep it open for longer than the cool-down.
    if (state === 'half-open' || (waitMs > 0 && waitMs <= cooldownMs)) {
      const seconds = Math.max(1, Math.ceil(Math.max(0, waitMs) / 1000));
      throw new BreakerOpenError('the broker failed too often of late; it is not tried', seconds);
    }
    change('half-open');
  }

  function succeeded(): void {
    failed = 0;
    if (state === 'half-open') change('closed');
  }

  function failedOnce(): void {
    failed++;
    if (state === 'half-open' || failed >= failures) change('open');
  }

  return {
    state: () => state,
    wrap: (deliver) =>
      async function deliverGuarded(batch, note) {
        admit();
        const began = epoch;
        try {
          const receipt = await deliver(batch, note);
          if (began === epoch) succeeded();
          return receipt;
        } catch (error) {
          if (began === epoch) {
            if (error instanceof UnavailableError) failedOnce();
            else succeeded();
          }
          throw error;
        }
      },
  };
}
