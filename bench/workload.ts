import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type AccessRecord, inBatches, makeRecords, toCsv, toJson, toNdjson } from '../test/support/access-records.ts';
import { buildRequest } from './load.ts';

export const FORMATS = ['json', 'ndjson', 'csv'] as const;
export const ENCODINGS = ['plain', 'gzip', 'zstd'] as const;

/** The bodies of one row of the matrix. */
export interface Workload {
  /** Records in a request. */
  readonly batch: number;
  readonly format: (typeof FORMATS)[number];
  readonly encoding: (typeof ENCODINGS)[number];
  /** 1: records of the present hour. More: a log of ten thousand records over that many hours up to now, in order. */
  readonly hours: number;
}

const CONTENT_TYPES = { json: 'application/json', ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;
const ENCODE = { json: toJson, ndjson: toNdjson, csv: toCsv } as const;
const POOL_RECORDS = 60_000;
const POOL_REQUESTS = 2_000;
const LOG_RECORDS = 10_000;

/** Requests to send in turn: all different, a few megabytes together, the same on every run except for the hour. */
export function makeRequests({ batch, format, encoding, hours }: Workload): Buffer[] {
  const count = Math.max(batch, Math.min(POOL_RECORDS, batch * POOL_REQUESTS));
  return inBatches(makeLogs(count, hours), batch)
    .filter((records) => records.length === batch)
    .map((records) => {
      const body = ENCODE[format](records);
      if (encoding === 'plain') return buildRequest(body, CONTENT_TYPES[format]);
      const packed = encoding === 'gzip' ? gzipSync(body) : zstdCompressSync(body);
      return buildRequest(packed, CONTENT_TYPES[format], encoding);
    });
}

function makeLogs(count: number, hours: number): AccessRecord[] {
  const records: AccessRecord[] = [];
  for (let seed = 1; records.length < count; seed++) records.push(...makeRecords(LOG_RECORDS, { hours, seed }));
  return records.slice(0, count);
}
