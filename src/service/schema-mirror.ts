import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { SCHEMA_TYPES, type SchemaReference } from '../model/schema.ts';
import type { SchemaEvent, SchemaTable } from '../model/schema-table.ts';

export interface SchemaMirror {
  /** Resolves after the first attempt, or at once when a copy is on disk. Never rejects: it is tried again. */
  start(): Promise<void>;
  /** Rejects when the other registry was never reached. */
  check: () => Promise<void>;
  stop(): Promise<void>;
}

export interface SchemaMirrorOptions {
  /** Where the other registry has its API. */
  readonly url: string;
  readonly authorization: string | undefined;
  readonly table: SchemaTable;
  /** Keeps changes on disk, and tells every thread. One call at a time. */
  readonly append: (events: readonly SchemaEvent[]) => Promise<void>;
  readonly refreshMs: number;
  readonly retryMs: number;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

const REQUEST_MS = 5_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_SUBJECTS = 10_000;
/** Requests at once. */
const CONCURRENCY = 8;
const MAX_RETRY_FACTOR = 30;

/**
 * Keeps a copy of another schema registry: asks for its subjects and their versions again and again, and for each version once, since
 * versions never change. What is deleted there is deleted here.
 */
export function createSchemaMirror(options: SchemaMirrorOptions): SchemaMirror {
  const { url, table, refreshMs, retryMs, log } = options;
  const stopping = new AbortController();
  let wasReached = table.size > 0;
  let failures = 0;
  let reason = 'not asked yet';
  let running: Promise<void> = Promise.resolve();

  const refresh = async (): Promise<void> => {
    try {
      await synchronise(options, stopping.signal);
      if (failures > 0 || !wasReached) log.info('the schema registry was reached', { url, versions: table.size });
      wasReached = true;
      failures = 0;
    } catch (error) {
      if (stopping.signal.aborted) return;
      reason = describe(error);
      failures++;
      if (failures === 1) log.warn('cannot reach the schema registry; what is kept of it is used', { url, reason });
    }
  };
  const repeat = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const pause = failures === 0 ? refreshMs : Math.min(refreshMs, retryMs * Math.min(failures, MAX_RETRY_FACTOR));
      await sleep(pause, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
      if (!stopping.signal.aborted) await refresh();
    }
  };

  return {
    async start() {
      const first = refresh();
      running = first.then(repeat);
      if (!wasReached) await first;
    },
    async check() {
      if (!wasReached) throw new Error(`the schema registry at ${url} was never reached: ${reason}`);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function synchronise(options: SchemaMirrorOptions, signal: AbortSignal): Promise<void> {
  const { table } = options;
  const get = (path: string) => getJson(options, path, signal);
  const subjects = toList(await get('/subjects'), isText);
  if (subjects.length > MAX_SUBJECTS) throw new Error(`it has more than ${MAX_SUBJECTS} subjects`);
  const numbers = await inParallel(subjects, async (subject) => ({
    subject,
    versions: toList(await get(`/subjects/${encodeURIComponent(subject)}/versions`), Number.isInteger),
  }));
  const missing = numbers.flatMap(({ subject, versions }) =>
    versions
      .filter((version) => table.version(subject, version) === undefined)
      .map((version) => ({ subject, version })),
  );
  const added = await inParallel(missing, async ({ subject, version }) =>
    toEvent(subject, version, await get(`/subjects/${encodeURIComponent(subject)}/versions/${version}`)),
  );
  const there = new Map(numbers.map(({ subject, versions }) => [subject, new Set(versions)]));
  const removed = table.subjects().flatMap((subject) =>
    table
      .versions(subject)
      .filter(({ version, isDeleted }) => !isDeleted && there.get(subject)?.has(version) !== true)
      // Softly: records that name its id may still come.
      .map(({ version }): SchemaEvent => ({ kind: 'deleted', subject, version })),
  );
  const events = [...removed, ...added];
  if (events.length > 0) await options.append(events);
}

async function getJson(
  { url, authorization }: SchemaMirrorOptions,
  path: string,
  signal: AbortSignal,
): Promise<unknown> {
  const address = `${url.replace(/\/$/, '')}${path}`;
  const response = await fetch(address, {
    headers: {
      Accept: 'application/vnd.schemaregistry.v1+json, application/json',
      ...(authorization !== undefined && { Authorization: authorization }),
    },
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
  });
  if (!response.ok) throw new Error(`GET ${address} was answered ${response.status}`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new Error(`the answer to GET ${address} is larger than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

function toEvent(subject: string, version: number, answer: unknown): SchemaEvent {
  const { id, schema, schemaType = 'AVRO', references = [] }: Record<string, unknown> = Object(answer);
  const type = SCHEMA_TYPES.find((one) => one === schemaType);
  if (typeof id !== 'number' || !Number.isInteger(id) || typeof schema !== 'string' || type === undefined) {
    throw new Error(`its answer for version ${version} of subject ${JSON.stringify(subject)} is no schema`);
  }
  return { kind: 'version', subject, version, id, type, schema, references: toList(references, isReference) };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isReference(value: unknown): value is SchemaReference {
  const { name, subject, version }: Record<string, unknown> = Object(value);
  return isText(name) && isText(subject) && Number.isInteger(version);
}

function toList<T>(value: unknown, isItem: (item: unknown) => item is T): readonly T[];
function toList(value: unknown, isItem: (item: unknown) => boolean): readonly number[];
function toList(value: unknown, isItem: (item: unknown) => boolean): readonly unknown[] {
  if (!Array.isArray(value) || !value.every(isItem)) throw new Error('its answer is no list of what was asked for');
  return value;
}

async function inParallel<A, B>(items: readonly A[], work: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = [];
  let next = 0;
  const run = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      const item = items[at];
      if (item !== undefined) results[at] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, run));
  return results;
}

/** `fetch failed` says nothing: its cause does. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
