import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type AccessRecord, inBatches, makeRecords, toCsv, toJson, toNdjson } from '../test/support/access-records.ts';
import { container, datum, LOG_ENTRY } from '../test/support/avro-bodies.ts';
import { type EventRecord, eventsToCsv, makeEvents } from '../test/support/event-records.ts';
import { delimited, logEntry } from '../test/support/protobuf-messages.ts';
import { buildRequest } from './load.ts';

export const FORMATS = ['json', 'ndjson', 'csv', 'protobuf', 'avro'] as const;
export const ENCODINGS = ['plain', 'gzip', 'zstd'] as const;

type Format = (typeof FORMATS)[number];

/** The bodies of one row of the matrix. */
export interface Workload {
  /** Where the records are sent to, and what they are. */
  readonly stream: (typeof STREAMS)[number];
  /** Records in a request. */
  readonly batch: number;
  /** One of FORMATS_OF[stream]. */
  readonly format: Format;
  readonly encoding: (typeof ENCODINGS)[number];
  /** 1: records of the present hour. More: a log of ten thousand records over that many hours up to now, in order. */
  readonly hours: number;
}

const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  protobuf: 'application/x-protobuf; delimited=true',
  avro: 'avro/binary',
};

/** A stream: the route, the records of a log in order, and how each format writes a batch of them. */
interface Kind<T> {
  readonly path: string;
  readonly make: (count: number, options: { readonly hours: number; readonly seed: number }) => T[];
  readonly encode: { readonly [format in Format]?: (records: readonly T[]) => Buffer };
}

const ACCESS: Kind<AccessRecord> = {
  path: '/logs',
  make: makeRecords,
  encode: { json: toJson, ndjson: toNdjson, csv: toCsv },
};

/** Protobuf and Avro have the four fields of a LogEntry, the text formats one more. */
const EVENTS: Kind<EventRecord> = {
  path: '/logs/events',
  make: makeEvents,
  encode: {
    json: toJson,
    ndjson: toNdjson,
    csv: eventsToCsv,
    protobuf: (records) => delimited(records.map(logEntry)),
    avro: (records) => container(LOG_ENTRY, [records.map(({ requestId, ...entry }) => datum(entry))]),
  },
};

export const STREAMS = ['access', 'events'] as const;

/** The formats that a stream can be sent in. */
export function formatsOf(stream: Workload['stream']): readonly Format[] {
  const { encode } = stream === 'access' ? ACCESS : EVENTS;
  return FORMATS.filter((format) => encode[format] !== undefined);
}

const POOL_RECORDS = 60_000;
const POOL_REQUESTS = 2_000;
const LOG_RECORDS = 10_000;

/** Requests to send in turn: all different, a few megabytes together, the same on every run except for the hour. */
export function makeRequests(workload: Workload): Buffer[] {
  return workload.stream === 'access' ? requestsOf(ACCESS, workload) : requestsOf(EVENTS, workload);
}

function requestsOf<T>({ path, make, encode }: Kind<T>, { batch, format, encoding, hours }: Workload): Buffer[] {
  const toBody = encode[format];
  if (toBody === undefined) throw new Error(`${path} takes no ${format}`);
  const count = Math.max(batch, Math.min(POOL_RECORDS, batch * POOL_REQUESTS));
  const batches = inBatches(makeLogs(make, count, hours), batch).filter(({ length }) => length === batch);
  const contentType = CONTENT_TYPES[format];
  return batches.map((records) => {
    const body = toBody(records);
    if (encoding === 'plain') return buildRequest(body, { path, contentType });
    const packed = encoding === 'gzip' ? gzipSync(body) : zstdCompressSync(body);
    return buildRequest(packed, { path, contentType, contentEncoding: encoding });
  });
}

function makeLogs<T>(make: Kind<T>['make'], count: number, hours: number): T[] {
  const records: T[] = [];
  for (let seed = 1; records.length < count; seed++) records.push(...make(LOG_RECORDS, { hours, seed }));
  return records.slice(0, count);
}
