import type { ServerResponse } from 'node:http';
import type { Live, LiveEvent, LiveStats, Refusal, TailFilter } from '../../live/live.ts';
import type { StreamName } from '../../model/stream.ts';
import { tailParameters } from '../docs/dashboard-schemas.ts';
import { unknownStream } from '../logs/logs-request.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { type EventStream, type EventStreams, eventText } from './event-stream.ts';
import { type Query, readParameters } from './parameters.ts';

/** GET /events and GET /events/tail. A problem, or undefined once the response is a stream. */
export interface Events {
  stats(response: ServerResponse): Problem | undefined;
  tail(response: ServerResponse, query: Query): Problem | undefined;
}

/** Open streams of each kind in one server, and the bytes kept for each client that reads slowly. */
const LIMITS = {
  stats: { streams: 1_024, bufferBytes: 64 * 1024 },
  tail: { streams: 64, bufferBytes: 1024 * 1024 },
} as const;
/** Refusals sent in one second. The page asks for older ones when it is opened. */
const MAX_SENT = 20;

interface EventsOptions {
  readonly live: Live;
  readonly eventStreams: EventStreams;
  /** The streams that there are. */
  readonly streams: readonly StreamName[];
}

export function createEvents({ live, eventStreams, streams }: EventsOptions): Events {
  const readers = new Set<EventStream>();
  let unsubscribe: (() => void) | undefined;

  const send = (event: LiveEvent) => {
    const text = eventTextOf(event);
    // A client that reads slowly misses this event and gets the next one.
    for (const reader of readers) reader.send(text);
  };

  const leave = (reader: EventStream) => {
    readers.delete(reader);
    if (readers.size > 0) return;
    unsubscribe?.();
    unsubscribe = undefined;
  };

  return {
    stats(response) {
      if (eventStreams.count('stats') >= LIMITS.stats.streams) return tooMany('event streams', LIMITS.stats.streams);
      const reader = eventStreams.open(response, {
        kind: 'stats',
        bufferBytes: LIMITS.stats.bufferBytes,
        onClose: () => leave(reader),
      });
      readers.add(reader);
      unsubscribe ??= live.subscribe(send);
      // Something to show at once. If it fails, the next second brings it.
      void live.snapshot().then(
        ({ stats }) => reader.send(statsText(stats)),
        () => undefined,
      );
      return undefined;
    },

    tail(response, query) {
      const filter = readFilter(query, streams);
      if ('kind' in filter) return filter;
      if (eventStreams.count('tail') >= LIMITS.tail.streams) return tooMany('tails', LIMITS.tail.streams);
      let end: () => void = () => undefined;
      const reader = eventStreams.open(response, {
        kind: 'tail',
        bufferBytes: LIMITS.tail.bufferBytes,
        onClose: () => end(),
      });
      let leftOut = 0;
      end = live.tail(filter, (piece) => {
        leftOut += piece.leftOut;
        const records = piece.lines.length === 0 ? '' : eventText('records', piece.lines.join('\n'));
        const count = leftOut === 0 ? '' : eventText('left-out', String(leftOut));
        if (reader.send(records + count)) leftOut = 0;
        else leftOut += piece.lines.length;
      });
      return undefined;
    },
  };
}

function eventTextOf(event: LiveEvent): string {
  if (event.kind === 'samples') return eventText('samples', JSON.stringify(event.samples));
  return event.kind === 'stats' ? statsText(event.stats) : refusalsText(event.refusals);
}

function statsText(stats: LiveStats): string {
  return eventText('stats', JSON.stringify(stats));
}

/** Oldest first: the page puts each one on top, so the newest ends on top. */
function refusalsText(refusals: readonly Refusal[]): string {
  const sent = refusals.slice(0, MAX_SENT).reverse();
  return sent.map((refusal) => eventText('refusal', JSON.stringify(refusal))).join('');
}

function tooMany(what: string, limit: number): Problem {
  return { kind: 'overloaded', detail: `too many ${what} are open (limit ${limit})`, headers: retryAfter(10) };
}

function readFilter(query: Query, streams: readonly StreamName[]): TailFilter | Problem {
  const given = readParameters(tailParameters, query);
  if (typeof given === 'string') return { kind: 'bad-request', detail: given };
  const { stream = '' } = given;
  if (stream !== '' && !streams.includes(stream)) return unknownStream(stream, streams);
  // An empty text matches everything.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
}
