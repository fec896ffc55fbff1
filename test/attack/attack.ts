import type { Random } from '../support/random.ts';

/*
 * Hostile clients against the real service, with honest clients beside them: `make attack`.
 *
 *   run-attack.ts      the command: starts the service and the two processes below, judges, prints the table
 *   hostile.ts         a process in which all hostile clients run at once
 *   honest.ts          a process whose clients send as customers do, and measure every answer
 *   clients/*          one kind of hostile client in each file; clients.ts lists them
 */

/** What a hostile client is given. Everything that it does is bounded: in connections, in requests a second, in time. */
export interface Attack {
  /** The service, on 127.0.0.1. */
  readonly port: number;
  /** Decides what is not fixed, so that a seed repeats the attack. */
  readonly random: Random;
  /** Ends the attack: its connections are then closed. */
  readonly signal: AbortSignal;
  /** Notes how one request or connection ended: a status, `closed`, `no answer`, `blocked`. */
  readonly count: (outcome: string) => void;
}

/** One kind of hostile client. Resolves when the signal has ended it; rejects only for a defect of its own. */
export interface HostileClient {
  readonly name: string;
  /** `open`: against a service without authentication. `keyed`: against one that asks for API keys. */
  readonly phase: 'open' | 'keyed';
  readonly run: (attack: Attack) => Promise<void>;
}

/** How often each outcome was seen, by the name of the client. */
export type Tallies = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** An hour with this many different paths is stored before the attack, for the clients that ask for its summary. */
export const WIDE_HOUR = '2020-02-02T02';

/** The hour of the honest records. */
export const HONEST_HOUR = '2026-01-01T00';

/** The API key of honest clients in the phase with authentication. */
export const HONEST_KEY = 'honest-client-key';
