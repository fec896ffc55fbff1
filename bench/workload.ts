import { gzipSync, zstdCompressSync } from 'node:zlib';
import { inBatches, makeRecords, toCsv, toJson, toNdjson } from '../test/support/access-records.ts';
import { eventsToCsv, makeEvents } from '../test/support/event-records.ts';
import { buildRequest } from './load.ts';

export const STREAMS = ['access', 'events'] as const;
export const FORMATS = ['json', 'ndjson', 'csv'] as const;
export const ENCODINGS = ['plain', 'gzip', 'zstd'] as const;

/** The bodies of one row of the matrix. */
export interface Workload {
  /** Where the records are sent to, and what they are. */
  readonly stream: (typeof STREAMS)[number];
  /** Records in a request. */
  readonly batch: number;
  readonly format: (typeof FORMATS)[number];
  readonly encoding: (typeof ENCODINGS)[number];
  /** 1: records of the present hour. More: a log of ten thousand records over that many hours up to now, in order. */
  readonly hours: number;
}

const CONTENT_TYPES = { json: 'application/json', ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;
/** The body of each format. */
const ENCODE = {
  access: { json: toJson, ndjson: toNdjson, csv: toCsv },
  events: { json: toJson, ndjson: toNdjson, csv: eventsToCsv },
} as const;
const PATHS = { access: '/logs', events: '/logs/events' } as const;
const POOL_RECORDS = 60_000;
const POOL_REQUESTS = 2_000;
const LOG_RECORDS = 10_000;

/** Requests to send in turn: all different, a few megabytes together, the same on every run except for the hour. */
export function makeRequests({ stream, batch, format, encoding, hours }: Workload): Buffer[] {
  const count = Math.max(batch, Math.min(POOL_RECORDS, batch * POOL_REQUESTS));
  const [path, contentType] = [PATHS[stream], CONTENT_TYPES[format]];
  return makeBodies(stream, { count, hours, batch, format }).map((body) => {
    if (encoding === 'plain') return buildRequest(body, { path, contentType });
    const packed = encoding === 'gzip' ? gzipSync(body) : zstdCompressSync(body);
    return buildRequest(packed, { path, contentType, contentEncoding: encoding });
  });
}

interface BodyOptions extends Pick<Workload, 'batch' | 'format' | 'hours'> {
  /** Records in all bodies together. */
  readonly count: number;
}

function makeBodies(stream: Workload['stream'], { count, hours, batch, format }: BodyOptions): Buffer[] {
  if (stream === 'events') return encodeBatches(makeLogs(makeEvents, count, hours), batch, ENCODE.events[format]);
  return encodeBatches(makeLogs(makeRecords, count, hours), batch, ENCODE.access[format]);
}

function encodeBatches<T>(records: readonly T[], batch: number, encode: (records: readonly T[]) => Buffer): Buffer[] {
  return inBatches(records, batch).flatMap((part) => (part.length === batch ? [encode(part)] : []));
}

type Make<T> = (count: number, options: { readonly hours: number; readonly seed: number }) => T[];

function makeLogs<T>(make: Make<T>, count: number, hours: number): T[] {
  const records: T[] = [];
  for (let seed = 1; records.length < count; seed++) records.push(...make(LOG_RECORDS, { hours, seed }));
  return records.slice(0, count);
}
