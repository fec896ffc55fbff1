import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY } from '../support/batch-maker.ts';
import type { Dirs, Service } from '../support/service.ts';
import { createOldHours } from './old-hours.ts';
import type { ServiceStart } from './reliability.ts';

/*
 * What a service does beside its work in a life with `COMPRESSION=mixed`: it compresses plain hours at rest, removes hours that are too
 * old, and answers queries over all that it has, all while it stores and is killed.
 */

/** The housekeeping of one life. */
export interface Housekeeping {
  /** Before each start, when no process runs: what the start gets. */
  beforeStart(): Promise<NonNullable<ServiceStart['env']>>;
  /** Sends queries to a process until it ends. `mayFail`: a fault holds up its reads. */
  watch(service: Service, mayFail: boolean): void;
  /** The end of the life: throws when something was not done, or not as it should be. */
  check(service: Service): Promise<void>;
}

/** What was seen of the answers to queries. */
export interface QueriesSeen {
  /** Answers 200 that were read to their end. */
  whole: number;
  readonly problems: string[];
}

const AT_REST_MS = 120_000;
const PAUSE_MS = 200;
const QUERIES = ['order=desc', 'order=asc', 'stream=events&order=desc', 'stream=events&order=asc'] as const;
/** A query may find too many others, or a service that stops. Any other failure is one (docs/api.md, GET /records). */
const MAY_BE_REFUSED = /\b(overloaded|draining)$/;

export function createHousekeeping(dirs: Dirs): Housekeeping {
  const queries: QueriesSeen = { whole: 0, problems: [] };
  const oldHours = createOldHours(dirs);
  return {
    async beforeStart() {
      const retention = await oldHours.beforeStart();
      await letHoursRest(join(dirs.logs, DAY));
      await Promise.all(oldHours.dueFolders().map(letHoursRest));
      return { LOGFORGE_STORAGE_COMPRESS_AFTER: '1m', ...retention };
    },
    watch(service, mayFail) {
      void queryUntilEnd(service, queries, { mayFail });
    },
    async check(service) {
      const problems = [...queries.problems, ...(await oldHours.check(service))];
      if (queries.whole === 0) problems.push('no query was answered in the whole life');
      if (problems.length > 0) throw new Error(problems.join('; '));
    },
  };
}

/** Makes plain hours look as if they had been at rest: the next start begins to compress them, also those that get more records then. */
async function letHoursRest(folder: string): Promise<void> {
  const before = new Date(Date.now() - AT_REST_MS);
  for (const name of await readdir(folder).catch(() => []))
    if (name.endsWith('.log.json')) await utimes(join(folder, name), before, before);
}

/** Asks for all records again and again, until the service ends. */
export async function queryUntilEnd(
  service: Pick<Service, 'url' | 'exited'>,
  seen: QueriesSeen,
  { mayFail = false, pauseMs = PAUSE_MS }: { readonly mayFail?: boolean; readonly pauseMs?: number } = {},
): Promise<void> {
  let hasEnded = false;
  void service.exited.then(() => {
    hasEnded = true;
  });
  /** The answer before broke off. That is right when the service was killed, or is stopping. */
  let broken: unknown;
  for (let asked = 0; !hasEnded; asked++) {
    const path = `/records?limit=all&${QUERIES[asked % QUERIES.length]}`;
    try {
      const isWhole = await query(`${service.url}${path}`, seen, mayFail);
      if (isWhole && broken !== undefined && !mayFail)
        seen.problems.push(`an answer broke off, and the service goes on: ${String(broken)}`);
      broken = undefined;
    } catch (error) {
      broken = error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Whether it was answered 200. */
async function query(url: string, seen: QueriesSeen, mayFail: boolean): Promise<boolean> {
  const answer = await fetch(url);
  if (answer.status !== 200) {
    const { type } = (await answer.json()) as { readonly type?: unknown };
    if (!mayFail && !MAY_BE_REFUSED.test(String(type)))
      seen.problems.push(`GET ${url} was answered ${answer.status} ${String(type)}`);
    return false;
  }
  let last = 10;
  for await (const part of answer.body ?? []) last = part.at(-1) ?? last;
  if (last !== 10) seen.problems.push(`an answer of GET ${url} ended in half a line`);
  seen.whole++;
  return true;
}
