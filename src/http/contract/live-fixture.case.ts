import type { Live, LiveEvent, LiveHistory, LiveStats, Refusal, TailFilter, TailPiece } from '../../live/live.ts';
import { type KindSamples, mapKinds } from '../../model/record-kinds.ts';
import { type CreateServer, type Fixture, type Setup, startFixture } from './contract-fixture.case.ts';
import type { RawClient } from './raw-client.case.ts';

const RATES = {
  batches: 1,
  refusedBatches: 0,
  failedBatches: 0,
  bytes: 0,
  accepted: 5,
  stored: 5,
  rejected: 0,
  deadLettered: 0,
  duplicate: 0,
};
export const STATS: LiveStats = {
  time: 1,
  uptimeSeconds: 2,
  rates: RATES,
  totals: RATES,
  latency: null,
  sync: null,
  inFlightRecords: 0,
  inFlightBytes: 0,
  openFiles: 0,
  streams: [{ name: 'events', rates: { stored: 1, bytes: 80 }, totals: { stored: 2, bytes: 160 } }],
  recordLatency: 0.002,
  kinds: [{ kind: 'json', rate: 1, total: 2 }],
  inputs: [
    {
      name: 'lines',
      rates: { records: 1, bytes: 2, dropped: 3, refused: 4 },
      totals: { records: 5, bytes: 6, dropped: 7, refused: 8 },
      connections: 9,
      inFlightBytes: 10,
      maxInFlightBytes: 11,
    },
  ],
  dropped: 7,
  queue: null,
};
export const HISTORY: LiveHistory = {
  stepSeconds: 1,
  time: [1, 2],
  accepted: [0, 5],
  refused: [0, 0],
  batches: [0, 1],
  bytes: [0, 80],
  p50: [null, 0.001],
  p99: [null, 0.002],
};
export const SAMPLES: KindSamples = mapKinds((kind) => (kind === 'json' ? [{ time: 1, line: '{"a":1}' }] : []));
export function refusal(reason: string): Refusal {
  return { time: 1, status: 400, reason, requestId: 'r' };
}

/** A Live whose events the test sends. */
function createFakeLive() {
  const listeners = new Set<(event: LiveEvent) => void>();
  const tails = new Map<(piece: TailPiece) => void, TailFilter>();
  const live: Live = {
    snapshot: async () => ({ stats: STATS, history: [], refusals: [refusal('old')], samples: SAMPLES }),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tail(filter, listener) {
      tails.set(listener, filter);
      return () => void tails.delete(listener);
    },
  };
  const tell = (event: LiveEvent) => {
    for (const listener of listeners) listener(event);
  };
  const show = (piece: TailPiece) => {
    for (const listener of tails.keys()) listener(piece);
  };
  return { live, listeners, tails, tell, show };
}

/** A server with a Live whose events the test sends. */
export async function startLive(create: CreateServer, setup: Setup = {}) {
  const fake = createFakeLive();
  return { ...fake, ...(await startFixture(create, { ...setup, dashboard: { live: fake.live, ...setup.dashboard } })) };
}

/** Waits until the unread bytes of a connection match. */
export async function readUntil({ socket, received }: RawClient, text: string | RegExp): Promise<string> {
  const matches = () => (typeof text === 'string' ? received().includes(text) : text.test(received()));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const check = () => {
    if (matches()) resolve(received());
  };
  socket.on('data', check);
  socket.on('end', () => reject(new Error(`ended after ${received()}`)));
  check();
  return promise;
}

export async function open({ connect }: Fixture, target: string, headers = ''): Promise<RawClient> {
  const client = await connect();
  client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
  return client;
}
