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
  readonly idempotencyKey: string | undefined;
}

const VISIBLE_ASCII = /^[!-~]{1,255}$/;

/** Reads the head of a request, or returns what is wrong with it. */
export function readLogsRequest(
  { headers, url }: { readonly headers: IncomingHttpHeaders; readonly url: string },
  { limits, streams }: { readonly limits: { readonly maxBodyBytes: number }; readonly streams: readonly StreamName[] },
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

  const invalid = readInvalid(url);
  if (invalid === 'wrong') return { kind: 'bad-request', detail: 'the query parameter invalid must be skip or reject' };
  const idempotencyKey = headers['idempotency-key'];
  if (idempotencyKey !== undefined && !(typeof idempotencyKey === 'string' && VISIBLE_ASCII.test(idempotencyKey))) {
    return { kind: 'bad-request', detail: 'the Idempotency-Key must be 1 to 255 visible ASCII characters' };
  }

  const declared = transfer === undefined ? Number(headers['content-length'] ?? 0) : undefined;
  if (declared !== undefined && declared > limits.maxBodyBytes) return bodyTooLarge(limits);
  const { format, messageType } = type;
  return { stream, format, messageType, coding, declared, invalid, idempotencyKey };
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

function readInvalid(url: string): 'reject' | 'skip' | 'wrong' | undefined {
  const at = url.indexOf('?');
  if (at < 0) return undefined;
  const values = new URLSearchParams(url.slice(at + 1)).getAll('invalid');
  const parsed = logsParameters.safeParse(values.length === 0 ? {} : { invalid: values[0] });
  return parsed.success && values.length <= 1 ? parsed.data.invalid : 'wrong';
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
