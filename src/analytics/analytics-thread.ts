import type { Log } from '../log.ts';
import { type Hour, hourToIso } from '../model/hour.ts';
import type { Handlers } from '../runtime/channel.ts';
import { createThread, withCauses } from '../runtime/thread.ts';
import type { Analytics } from './analytics.ts';
import type { HourSum, SumQuestion } from './sum-hours.ts';

export interface OwnedAnalytics extends Analytics {
  /** Ends its thread. */
  stop(): Promise<void>;
}

/** Entries of a map that cross to this thread at once: more would be felt by the event loop. */
const PART_ENTRIES = 5_000;

/**
 * Answers from the summary files: an hour as it stands, a range added up in a thread of its own. A summary that cannot be used counts as
 * none and is logged; the aggregator replaces it when its hour grows. `entry` is a module that serves the calls of serveSums.
 */
export function createAnalytics(options: {
  readonly readBytes: (hour: Hour) => Promise<Buffer | undefined>;
  readonly entry: URL;
  readonly workerData: unknown;
  readonly log: Pick<Log, 'warn'>;
}): OwnedAnalytics {
  const { readBytes, entry, workerData, log } = options;
  const thread = createThread<SumCalls>({ entry, workerData, name: 'analytics' });

  let nextId = 0;

  async function fetchMap(id: number, map: MapName): Promise<ReadonlyMap<string, number>> {
    const entries = new Map<string, number>();
    for (;;) {
      const part = await thread.remote.part({ id, map });
      if (part.length === 0) return entries;
      for (const [key, count] of part) entries.set(key, count);
    }
  }

  async function fetchSum(question: SumQuestion): Promise<HourSum> {
    const id = nextId++;
    try {
      const head = await thread.remote.sum({ id, question });
      const requestsPerPath = await fetchMap(id, 'requestsPerPath');
      const requestsPerUserAgent = await fetchMap(id, 'requestsPerUserAgent');
      return { ...head, requestsPerPath, requestsPerUserAgent };
    } finally {
      await thread.remote.release(id).catch(() => undefined);
    }
  }

  return {
    hour: readBytes,

    async range(from, to, { top, search, audience: isSplit } = {}) {
      const question = { from, to, top, search, audience: isSplit };
      const { unusable, hours, other, distinct, audience, ...sum } = await fetchSum(question);
      for (const hour of unusable) log.warn('summary cannot be used', { hour: hourToIso(hour) });
      const summary = { hour: from, ...sum };
      const split = audience === undefined ? {} : { audience };
      return { summary, hours, ...split, ...(top === undefined ? {} : { other, distinct }) };
    },

    stop: () => thread.stop(),
  };
}

/** The calls that the analytics thread answers: the sum first, then its maps in parts. */
export interface SumCalls {
  sum(call: { readonly id: number; readonly question: SumQuestion }): SumHead;
  part(question: PartQuestion): Part;
  release(id: number): void;
}

type MapName = 'requestsPerPath' | 'requestsPerUserAgent';

type SumHead = Omit<HourSum, MapName>;

/** The next entries of a map, none at its end. */
interface PartQuestion {
  readonly id: number;
  readonly map: MapName;
}

type Part = readonly (readonly [string, number])[];

/** The other end: answers the calls of createAnalytics. */
export function serveSums(sumHours: (question: SumQuestion) => HourSum): Handlers<SumCalls> {
  const sums = new Map<number, Record<MapName, Iterator<readonly [string, number], undefined>>>();
  return {
    async sum({ id, question }) {
      try {
        const { requestsPerPath, requestsPerUserAgent, ...head } = sumHours(question);
        sums.set(id, {
          requestsPerPath: requestsPerPath.entries(),
          requestsPerUserAgent: requestsPerUserAgent.entries(),
        });
        return head;
      } catch (error) {
        throw withCauses(error);
      }
    },

    async part({ id, map }) {
      const entries = sums.get(id)?.[map];
      if (entries === undefined) throw new Error('the analytics thread died');
      const part: (readonly [string, number])[] = [];
      while (part.length < PART_ENTRIES) {
        const next = entries.next();
        if (next.done) break;
        part.push(next.value);
      }
      return part;
    },

    async release(id) {
      sums.delete(id);
    },
  };
}
