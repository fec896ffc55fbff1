import type { HttpServerOptions } from '../http.ts';
import { createDeadlines, type Deadlines, type Timed } from '../server/deadlines.ts';
import type { BodyCollector } from './body.ts';
import { type BodyBuffers, createBodyBuffers } from './body-buffers.ts';
import { createInFlight, type InFlight } from './in-flight.ts';
import { createEvict } from './slow-bodies.ts';
import { createUnpack, type Unpack } from './unpack.ts';

/** How often each of several threads looks whether the bytes in flight come close to their limit. */
const RELIEF_MS = 250;

/** What the handlers of bodies share in one thread: room, memory, time, and the turns to unpack. */
export interface Bodies {
  readonly inFlight: InFlight;
  readonly buffers: BodyBuffers;
  readonly unpack: Unpack;
  /** Of bodies that are being read. */
  readonly bodyDeadlines: Deadlines<BodyCollector>;
  /** Of whole requests that wait for their answer. */
  readonly answerDeadlines: Deadlines<Timed>;
  close(): void;
}

export function createBodies(
  options: Pick<HttpServerOptions, 'limits' | 'shared' | 'bodyBuffers' | 'metrics'>,
): Bodies {
  const { limits, shared, bodyBuffers, metrics } = options;
  const bodyDeadlines = createDeadlines<BodyCollector>(limits.bodyTimeoutMs);
  const answerDeadlines = createDeadlines<Timed>(limits.requestTimeoutMs);
  const inFlight = createInFlight({
    maxBytes: limits.maxInFlightBytes,
    onChange: (total) => metrics.inFlightBytes.set(total),
    shared,
    evict: createEvict({ bodies: bodyDeadlines.items, onEvicted: () => metrics.bodiesEvicted.inc() }),
  });
  const relief = shared === undefined ? undefined : setInterval(inFlight.relieve, RELIEF_MS).unref();
  return {
    inFlight,
    buffers: bodyBuffers ?? createBodyBuffers(),
    unpack: createUnpack({ onRefused: () => metrics.unpackRefused.inc() }),
    bodyDeadlines,
    answerDeadlines,
    close: () => {
      clearInterval(relief);
      bodyDeadlines.close();
      answerDeadlines.close();
    },
  };
}
