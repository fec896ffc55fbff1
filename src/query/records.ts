import type { Log } from '../log.ts';
import type { Metrics, QueryOutcome } from '../metrics/metrics.ts';
import type { Repo } from '../repo/repo.ts';
import { createThread, type Thread } from '../runtime/thread.ts';
import { createPlaces, type Places } from './places.ts';
import type { DamagedPart, FailedQuery, OpenedQuery, QueryHour, RecordQuery, Records, RecordsPiece } from './query.ts';
import { describeHour, type QueryCalls } from './query-thread.ts';
import type { Step } from './run-query.ts';

export interface OwnedRecords extends Records {
  /** Ends all queries and the thread. */
  stop(): Promise<void>;
}

export interface RecordsOptions {
  /** A module that serves the calls of serveQueries. */
  readonly entry: URL;
  readonly workerData: unknown;
  /** The hours of a query that exist, in its order, found as they are asked for. */
  readonly hoursOf: (query: RecordQuery) => AsyncIterator<QueryHour, undefined>;
  /** Told of a frame that is damaged, each time a query meets it. */
  readonly reportDamage?: Repo['reportDamage'];
  /** Queries that run at once. */
  readonly maxConcurrent: number;
  /** How long one may take, with the time that its reader takes: milliseconds. */
  readonly timeoutMs: number;
  readonly metrics: Pick<Metrics, 'queries' | 'queriesRunning' | 'queryDuration' | 'queryBytes' | 'queryDamagedParts'>;
  readonly log: Pick<Log, 'warn' | 'error'>;
  readonly limits?: Partial<RecordsLimits>;
}

interface RecordsLimits {
  /** Queries that wait for a place, and for how long: milliseconds. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** A query whose reader asks for nothing for so long is ended: its thread may have died. Milliseconds. */
  readonly idleMs: number;
  /** A step that takes longer, as on a disk that does not answer, costs the thread its life: milliseconds, without its wait for others. */
  readonly maxStepMs: number;
}

const LIMITS: RecordsLimits = { maxWaiting: 16, maxWaitMs: 10_000, idleMs: 60_000, maxStepMs: 30_000 };
/** Hours that the thread has before it needs them: a small hour is read in less time than the next is found. */
const HOURS_AHEAD = 4;

/** One query. */
interface Query {
  readonly id: number;
  readonly hours: AsyncIterator<QueryHour, undefined>;
  readonly begun: number;
  /** Hours to send with the next step. */
  next: { readonly hours: readonly QueryHour[]; readonly isEnd: boolean };
  idle: NodeJS.Timeout | undefined;
  /** Damaged parts that are not named. */
  moreDamaged: number;
}

/** What the queries share. */
interface Pool {
  readonly options: RecordsOptions;
  readonly limits: RecordsLimits;
  readonly places: Places;
  /** Those that have not ended. */
  readonly queries: Map<number, Query>;
  readonly thread: ReturnType<typeof createReplaceableThread>;
  lastId: number;
}

/**
 * Queries by a thread of their own. They share it and take turns, step by step, so that all of them together take one core from those who
 * store, and a short one does not wait for a long one. A thread that dies fails its queries, and the next query starts another.
 */
export function createRecords(options: RecordsOptions): OwnedRecords {
  const limits = { ...LIMITS, ...options.limits };
  const pool: Pool = {
    options,
    limits,
    places: createPlaces({ ...limits, maxTaken: options.maxConcurrent }),
    queries: new Map(),
    thread: createReplaceableThread(options),
    lastId: 0,
  };
  return {
    open: (query) => openQuery(pool, query),
    next: (id) => nextPiece(pool, id),
    async close({ id, why }) {
      const query = pool.queries.get(id);
      if (query !== undefined) endQuery(pool, query, why);
    },
    async stop() {
      for (const query of pool.queries.values()) endQuery(pool, query, 'stopped');
      await pool.thread.stop();
    },
  };
}

async function openQuery(pool: Pool, query: RecordQuery): Promise<OpenedQuery> {
  const { places, queries, limits, thread } = pool;
  const { hoursOf, maxConcurrent, metrics } = pool.options;
  if (!places.hasRoom() || queries.size >= maxConcurrent + limits.maxWaiting) {
    metrics.queries.labels('busy').inc();
    return { kind: 'busy', detail: `too many queries are running and waiting (query.maxConcurrent ${maxConcurrent})` };
  }
  const id = ++pool.lastId;
  const next = { hours: [], isEnd: false };
  const one: Query = { id, hours: hoursOf(query), begun: performance.now(), next, idle: undefined, moreDamaged: 0 };
  queries.set(id, one);
  try {
    const fault = await thread.remote().begin({ id, query });
    if (fault === undefined) {
      watchIdle(pool, one);
      return { kind: 'open', id };
    }
    endQuery(pool, one, 'refused');
    return { kind: 'refused', ...fault };
  } catch (error) {
    endQuery(pool, one, 'failed');
    throw error;
  }
}

async function nextPiece(pool: Pool, id: number): Promise<RecordsPiece | FailedQuery> {
  const { places, queries, options } = pool;
  const query = queries.get(id);
  if (query === undefined) return { kind: 'failed', why: 'failed', detail: 'the query has ended' };
  clearTimeout(query.idle);
  if (!(await places.take(query)))
    return failQuery(pool, query, 'busy', 'too many queries are running; this one waited too long');
  options.metrics.queriesRunning.set(places.taken);
  try {
    return await runToPiece(pool, query);
  } catch (err) {
    if (queries.has(id)) options.log.error('a query failed', { err });
    return failQuery(pool, query, 'failed', 'the query failed; the log of the service says why');
  } finally {
    if (queries.has(id)) watchIdle(pool, query);
  }
}

async function runToPiece(pool: Pool, query: Query): Promise<RecordsPiece | FailedQuery> {
  const { queries, thread, limits } = pool;
  const { timeoutMs, metrics } = pool.options;
  const isWanted = () => queries.has(query.id);
  const damaged: DamagedPart[] = [];
  const moreBefore = query.moreDamaged;
  for (;;) {
    if (!isWanted()) return { kind: 'failed', why: 'failed', detail: 'the query was stopped' };
    if (performance.now() - query.begun > timeoutMs)
      return failQuery(
        pool,
        query,
        'timeout',
        `the query took longer than query.timeout (${timeoutMs} ms); ask for less`,
      );
    const step = await thread.step(query, limits.maxStepMs);
    query.next = { hours: [], isEnd: false };
    metrics.queryBytes.inc(step.read);
    metrics.queryDamagedParts.inc(step.damaged.length + step.moreDamaged);
    report(pool, step.damaged);
    query.moreDamaged += step.moreDamaged;
    damaged.push(...step.damaged);
    const isLast = step.state === 'done';
    if (step.state === 'hours') query.next = await findHours(query.hours, isWanted);
    if (isLast) endQuery(pool, query, 'complete');
    const moreDamaged = query.moreDamaged - moreBefore;
    if (isLast || step.bytes.length > 0) return { kind: 'piece', bytes: step.bytes, isLast, damaged, moreDamaged };
  }
}

/** Frees what the query has, and counts it. Has no effect on one that has ended. */
function endQuery({ queries, places, thread, options }: Pool, query: Query, outcome: QueryOutcome): void {
  if (!queries.delete(query.id)) return;
  clearTimeout(query.idle);
  places.leave(query);
  const { metrics, log } = options;
  if (query.moreDamaged > 0)
    log.warn('a query left out further parts that cannot be read', { parts: query.moreDamaged });
  metrics.queriesRunning.set(places.taken);
  metrics.queries.labels(outcome).inc();
  metrics.queryDuration.observe((performance.now() - query.begun) / 1_000);
  // Nobody asks for further hours, so it ends at once, or after the look-up that runs.
  query.hours.return?.().catch(() => undefined);
  // The thread has forgotten a query that is complete or refused. One that failed may have failed here; a thread that does not know it says nothing.
  if (outcome !== 'complete' && outcome !== 'refused') thread.forget(query.id);
}

function failQuery(pool: Pool, query: Query, why: FailedQuery['why'], detail: string): FailedQuery {
  endQuery(pool, query, why);
  return { kind: 'failed', why, detail };
}

function watchIdle(pool: Pool, query: Query): void {
  query.idle = setTimeout(() => endQuery(pool, query, 'stopped'), pool.limits.idleMs).unref();
}

function report({ options }: Pool, damaged: readonly DamagedPart[]): void {
  for (const { stream, hour, ...range } of damaged) {
    const about = { ...describeHour({ stream, hour }), ...range };
    options.log.warn('a query left out a part of an hour that cannot be read', about);
    const { position } = range;
    if (position === undefined) continue;
    options.reportDamage?.({ stream, hour }, { ...range, position }).catch((err: unknown) => {
      options.log.error('cannot report damage that a query found', { ...about, err });
    });
  }
}

async function findHours(found: Query['hours'], isWanted: () => boolean): Promise<Query['next']> {
  const hours: QueryHour[] = [];
  while (hours.length < HOURS_AHEAD && isWanted()) {
    const { value, done } = await found.next();
    if (done || value === undefined) return { hours, isEnd: true };
    hours.push(value);
  }
  return { hours, isEnd: false };
}

interface Replaceable {
  readonly thread: Thread<QueryCalls>;
  /** Of the steps that it has not answered. */
  readonly timers: Set<NodeJS.Timeout>;
}

/**
 * A thread that is replaced also when it does not come back from a step. It answers steps one by one, in the order in which they came. So
 * each answer sets the timers of the others back: the next step begins with it, and a timer never counts longer than that step runs. No
 * message from the thread has to say that a step begins, and the thread need not wait for the next one.
 */
function createReplaceableThread({ entry, workerData }: Pick<RecordsOptions, 'entry' | 'workerData'>) {
  const start = (): Replaceable => ({
    thread: createThread<QueryCalls>({ entry, workerData, name: 'query' }),
    timers: new Set(),
  });
  let current = start();

  return {
    remote: () => current.thread.remote,
    /** Closes what the thread has of a query. */
    forget(id: number): void {
      current.thread.remote.end(id).catch(() => undefined);
    },
    async step({ id, next }: Query, maxMs: number): Promise<Step> {
      const asked = current;
      const { thread, timers } = asked;
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        if (current === asked) current = start();
        void thread.stop();
        late.reject(new Error(`the query thread did not answer for ${maxMs} ms; it is replaced`));
      }, maxMs);
      timers.add(timer);
      try {
        return await Promise.race([thread.remote.step({ id, ...next }), late.promise]);
      } finally {
        clearTimeout(timer);
        timers.delete(timer);
        if (current === asked) for (const other of timers) other.refresh();
      }
    },
    stop: () => current.thread.stop(),
  };
}
