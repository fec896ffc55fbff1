import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import { type Deliver, UnavailableError } from '../model/deliver.ts';

export const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** The circuit breaker is open: the delivery was not attempted. */
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
 * Keeps callers from waiting for a destination that is unavailable. Closed: every delivery goes through. Open: none does.
 * Half-open: one delivery probes, and its outcome decides. Only UnavailableError counts as a failure of the destination;
 * an error of the batch itself says nothing about it.
 */
export interface Breaker {
  wrap(deliver: Deliver): Deliver;
  state(): BreakerState;
}

export function createBreaker(options: BreakerOptions): Breaker {
  const circuit = createCircuit(options);
  return {
    state: circuit.state,
    wrap: (deliver) =>
      async function deliverGuarded(batch, note) {
        const epoch = circuit.admit();
        try {
          const receipt = await deliver(batch, note);
          circuit.settle(epoch, true);
          return receipt;
        } catch (error) {
          circuit.settle(epoch, !(error instanceof UnavailableError));
          throw error;
        }
      },
  };
}

/** The state and its changes. */
function createCircuit({ failures, cooldownMs, clock, metrics, onChange }: BreakerOptions) {
  let state: BreakerState = 'closed';
  let failed = 0;
  let openUntil = 0;
  /** One more with every change of state: an outcome of a delivery that began before a change does not count. */
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

  /** Throws BreakerOpenError unless a delivery may go ahead. Returns the epoch in which it begins. */
  function admit(): number {
    if (state !== 'closed') probe();
    return epoch;
  }

  /** Makes the next delivery the probe, if it is time for one. */
  function probe(): void {
    const waitMs = openUntil - clock();
    // A clock that was set back must not keep it open for longer than the cool-down.
    if (state === 'half-open' || (waitMs > 0 && waitMs <= cooldownMs)) {
      const seconds = Math.max(1, Math.ceil(Math.max(0, waitMs) / 1000));
      throw new BreakerOpenError(`the circuit breaker is open; next attempt in ${seconds} s`, seconds);
    }
    change('half-open');
  }

  function settle(began: number, succeeded: boolean): void {
    if (began !== epoch) return;
    if (succeeded) {
      failed = 0;
      if (state === 'half-open') change('closed');
      return;
    }
    failed++;
    if (state === 'half-open' || failed >= failures) change('open');
  }

  return { state: () => state, admit, settle };
}
