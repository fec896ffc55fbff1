import { loadConfig } from '../config/config.ts';
import { type LineFile, openLineFile } from '../disk/line-file.ts';
import { Feed } from '../inputs/feed.ts';
import type { InputFlow } from '../inputs/inputs.ts';
import type { Log } from '../log.ts';
import { systemClock } from '../model/clock.ts';
import { createLineIntake, isJsonObject } from '../service/append-lines.ts';
import type { InputConfig } from './input-config.ts';
import { createFraming, createInput } from './kinds.ts';

/** The types of inputs that need no configuration. */
export const LISTEN_TYPES = ['unixsock', 'tcp', 'unixgram', 'udp', 'fifo', 'stdin'] as const;
export type ListenType = (typeof LISTEN_TYPES)[number];

export interface ListenCounts {
  /** Lines in the file, synced. */
  readonly lines: number;
  /** Lines that are no JSON object. */
  readonly unreadable: number;
  /** Lines and datagrams that were lost: by the kernel, because too much was in flight, or at the stop. */
  readonly dropped: number;
}

export interface Listener {
  /** Where it takes lines. */
  readonly where: string;
  /** What an earlier run left at the end of the file, if anything. */
  readonly mended: string | undefined;
  /** Resolves when nothing more can come: standard input has ended. Rejects with the reason when it cannot be read any more. */
  readonly ended: Promise<void>;
  /** Never rejects. */
  counts(): Promise<ListenCounts>;
  /** Reads what had been sent, writes it and closes. Lines that cannot be written within `graceMs` are dropped and counted: then it gives false. */
  stop(graceMs: number): Promise<boolean>;
}

/** Pause before the file is written again, ms. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
/** Of a stop: for giving up what cannot be written. */
const GIVE_UP_SHARE = 0.1;

/** One input with the defaults of the configuration, whose lines are appended to a file. Rejects, with what to do, when it cannot start. */
export async function startListener(options: {
  readonly type: ListenType;
  /** Of `tcp` and `udp` an address, of the others a path. */
  readonly place: { readonly addr: string } | { readonly path: string } | Record<string, never>;
  readonly out: string;
  readonly log: Log;
}): Promise<Listener> {
  const { type, place, out, log } = options;
  const { config } = loadConfig({ text: JSON.stringify({ inputs: [{ name: 'listen', type, ...place }] }) });
  const [input] = config.inputs as readonly [InputConfig];
  const file = await openOut(out);
  const counts = { lines: 0, unreadable: 0, dropped: 0, givenUp: 0 };
  const over = new AbortController();
  const feed = createLineFeed({ input, file, out, counts, signal: over.signal, onRoom: () => flow.onRoom(), log });
  const flow = flowInto(feed, counts, over);
  const listener = createInput({ config: input, flow, framing: createFraming(input), log });
  const where = await listener.start().catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  return {
    where,
    mended: describeMended(file.mended),
    // A source that failed has ended, too: its check says why.
    ended: listener.ended?.then(() => listener.check()) ?? new Promise(() => undefined),
    async counts() {
      // What the kernel dropped is not known everywhere.
      await listener.refresh?.().catch(() => undefined);
      const { givenUp, ...others } = counts;
      return { ...others, dropped: others.dropped + givenUp };
    },
    async stop(graceMs) {
      const isClean = await listener.stop(graceMs * (1 - GIVE_UP_SHARE)).then(
        () => true,
        () => false,
      );
      await file.close();
      return isClean && counts.givenUp === 0;
    },
  };
}

interface Counts {
  lines: number;
  unreadable: number;
  dropped: number;
  /** Lines that could not be written in time. */
  givenUp: number;
}

function createLineFeed(parts: {
  readonly input: InputConfig;
  readonly file: LineFile;
  readonly out: string;
  readonly counts: Counts;
  readonly signal: AbortSignal;
  readonly onRoom: () => void;
  readonly log: Log;
}): Feed {
  const { input, file, out, counts, signal, onRoom, log } = parts;
  const count = (key: keyof Counts) => (lines: number) => {
    counts[key] += lines;
  };
  return new Feed({
    intake: createLineIntake({
      file,
      onAppended: count('lines'),
      onUnreadable: count('unreadable'),
      onGivenUp: count('givenUp'),
      onRetry: (err) => log.warn('cannot write; the lines wait, and their senders too', { path: out, err, fold: out }),
      backoff: { firstMs: FIRST_PAUSE_MS, maxMs: MAX_PAUSE_MS },
      signal,
    }),
    flushIntervalMs: input.flushInterval,
    flushBytes: input.flushBytes,
    maxInFlightBytes: input.maxInFlightBytes,
    reusesMemory: true,
    onRoom,
    onInFlight: () => undefined,
    onGivenUp: ({ bytes }, err) =>
      log.error('lines are given up: they could not be written in time', { path: out, bytes: bytes.length, err }),
    clock: systemClock,
  });
}

async function openOut(path: string) {
  try {
    return await openLineFile(path, isJsonObject);
  } catch (error) {
    throw new Error(`cannot open path=${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** `over`: ended when the time of a stop is over, so that the intake gives up what it cannot write. */
function flowInto(feed: Feed, counts: Counts, over: AbortController): InputFlow {
  return {
    take: (frames) => feed.push(frames),
    putAside: (frame) => feed.putAside(frame),
    async flush(withinMs) {
      const timer = setTimeout(() => over.abort(new Error('the time of the stop is over')), Math.max(0, withinMs));
      await feed.flush();
      clearTimeout(timer);
      if (counts.givenUp > 0) throw new Error(`${counts.givenUp} lines could not be written in time`);
    },
    onRoom: () => undefined,
    onConnections: () => undefined,
    onRefused: () => undefined,
    onDropped(_reason, frames) {
      counts.dropped += frames;
    },
  };
}

function describeMended(mended: Awaited<ReturnType<typeof openLineFile>>['mended']): string | undefined {
  if (mended === 'nothing') return undefined;
  return mended === 'ended'
    ? 'its last line had no newline; it has one now'
    : `its last line was not whole; its ${mended.cut} bytes were cut off`;
}
