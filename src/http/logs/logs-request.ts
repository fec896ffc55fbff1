import type { IncomingHttpHeaders } from 'node:http';
import type { BodyFormat } from '../../decode/decode.ts';
import { nearest } from '../../model/nearest.ts';
import { ACCESS_STREAM, type StreamName } from '../../model/stream.ts';
import { logsParameters } from '../docs/api-schemas.ts';
import type { Problem } from '../problem.ts';
import { ACCEPTED_CODINGS, ACCEPTED_TYPES, type Coding, readCoding, readType } from './content.ts';
import { bodyTooLarge } from './ingest-problem.ts';

/** What the head of a POST /logs asks for. */
export interface LogsRequest {
  readonly stream: StreamName;
  readonly format: BodyFormat;
  /** Protobuf: full name of the message, if the Content-Type names one. */
  readonly messageType: string | undefined;
  readonly coding: Coding;
  /** As Content-Length has it; undefined for a chunked body. */
  readonly declared: number | undefined;
  readonly invalid: 'reject' | 'skip' | undefined;
  /** Name of the mapping by which the objects of the body are read: one that there is. */
  readonly map: string | undefined;
  readonly idempotencyKey: string | undefined;
}

const VISIBLE_ASCII = /^[!-~]{1,255}$/;

/** What a request may ask for. */
interface RequestRules {
  readonly limits: { readonly maxBodyBytes: number };
  readonly streams: readonly StreamName[];
  readonly mappings: readonly string[];
}

/** Reads the head of a request, or returns what is wrong with it. */
export function readLogsRequest(
  { headers, url }: { readonly headers: IncomingHttpHeaders; readonly url: string },
  { limits, streams, mappings }: RequestRules,
): LogsRequest | Problem {
  const stream = readStream(url);
  if (!streams.includes(stream)) return unknownStream(stream, streams);
  const type = readType(headers['content-type']);
  if (type === undefined) return unsupportedType(headers['content-type']);
  const coding = readCoding(headers['content-encoding']);
  if (coding === undefined) return unsupportedCoding(headers['content-encoding']);
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') {
    return { kind: 'unsupported-transfer-encoding', detail: 'the only supported transfer encoding is chunked' };
  }

  const query = readQuery(url, mappings);
  if ('kind' in query) return query;
  const { invalid, map } = query;
  if (map !== undefined && !MAPPED_FORMATS.includes(type.format)) return notMapped(type.format);
  const idempotencyKey = headers['idempotency-key'];
  if (idempotencyKey !== undefined && !(typeof idempotencyKey === 'string' && VISIBLE_ASCII.test(idempotencyKey))) {
    return { kind: 'bad-request', detail: 'the Idempotency-Key must be 1 to 255 visible ASCII characters' };
  }

  const declared = transfer === undefined ? Number(headers['content-length'] ?? 0) : undefined;
  if (declared !== undefined && declared > limits.maxBodyBytes) return bodyTooLarge(limits);
  const { format, messageType } = type;
  return { stream, format, messageType, coding, declared, invalid, map, idempotencyKey };
}

/** `/logs` is the default stream, `/logs/events` the stream events. */
function readStream(url: string): StreamName {
  if (url.length === LOGS.length) return ACCESS_STREAM.name;
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  return path.length === LOGS.length ? ACCESS_STREAM.name : path.slice(LOGS.length + 1);
}

const LOGS = '/logs';
const MAX_SHOWN = 64;

export function unknownStream(name: string, streams: readonly StreamName[]): Problem {
  const meant = nearest(name, streams);
  const hint = meant === undefined ? `there are ${streams.join(', ')}` : `did you mean ${meant}?`;
  return { kind: 'not-found', detail: `there is no stream ${JSON.stringify(name.slice(0, MAX_SHOWN))}; ${hint}` };
}

type LogsQuery = Partial<Pick<LogsRequest, 'invalid' | 'map'>>;

const NO_QUERY: LogsQuery = {};

function readQuery(url: string, mappings: readonly string[]): LogsQuery | Problem {
  const at = url.indexOf('?');
  if (at < 0) return NO_QUERY;
  const query = new URLSearchParams(url.slice(at + 1));
  const [invalid, ...others] = query.getAll('invalid');
  const parsed = logsParameters.safeParse(invalid === undefined ? {} : { invalid });
  if (!parsed.success || others.length > 0)
    return { kind: 'bad-request', detail: 'the query parameter invalid must be skip or reject' };
  const [map, ...otherMaps] = query.getAll('map');
  if (otherMaps.length > 0) return { kind: 'bad-request', detail: 'the query parameter map must be given once' };
  return map === undefined || mappings.includes(map) ? { ...parsed.data, map } : unknownMap(map, mappings);
}

function unknownMap(name: string, mappings: readonly string[]): Problem {
  const there = mappings.length === 0 ? 'the configuration has no mappings' : `there are ${mappings.join(', ')}`;
  return { kind: 'bad-request', detail: `there is no mapping ${JSON.stringify(name.slice(0, MAX_SHOWN))}; ${there}` };
}

/** The formats of objects that a map can read. */
const MAPPED_FORMATS: readonly BodyFormat[] = ['json', 'ndjson'];
const MAPPED_TYPES = 'application/json, application/x-ndjson';

function notMapped(format: BodyFormat): Problem {
  const detail = `a mapping reads JSON, and the body is ${format}; supported with map: ${MAPPED_TYPES}`;
  return { kind: 'unsupported-media-type', detail, headers: ['Accept', MAPPED_TYPES] };
}

function unsupportedType(given: string | undefined): Problem {
  const what = given === undefined ? 'the request has no Content-Type' : `the Content-Type is ${JSON.stringify(given)}`;
  const detail = `${what}; supported: ${ACCEPTED_TYPES}`;
  return { kind: 'unsupported-media-type', detail, headers: ['Accept', ACCEPTED_TYPES] };
}

function unsupportedCoding(given: string | undefined): Problem {
  const detail = `the Content-Encoding is ${JSON.stringify(given)}; supported: one of ${ACCEPTED_CODINGS}, not a list`;
  return { kind: 'unsupported-content-encoding', detail, headers: ['Accept-Encoding', ACCEPTED_CODINGS] };
}
