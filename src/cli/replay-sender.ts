import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { ACCESS_STREAM, isDefaultStream, type StreamName } from '../model/stream.ts';
import type { ServiceTls } from './service-options.ts';

/** The outcome of one batch that the service accepted. */
export interface Sent {
  /** Records stored by this request, or by the first one with its key. */
  readonly accepted: number;
  /** The key was known: nothing was stored again. */
  readonly duplicate: boolean;
  /** Records that the service refused, with their place in the body; at most the first 100 of them are listed. */
  readonly rejections: readonly { readonly index: number; readonly reason: string }[];
  readonly rejected: number;
}

/**
 * `body`: NDJSON of the stream access unless the options say otherwise. Rejects with RefusedError, or with the failure of the last attempt.
 */
export type Send = (body: Buffer, idempotencyKey: string, options?: SendOptions) => Promise<Sent>;

export interface SendOptions {
  readonly contentType?: string;
  readonly stream?: StreamName;
}

export interface SenderOptions {
  /** The service's address; `/logs`, or `/logs/{stream}`, is appended to its path. */
  readonly url: URL;
  readonly apiKey?: string | undefined;
  readonly tls?: ServiceTls;
  readonly connections: number;
  /** What the service does with invalid records: leaves them out (`skip`, the default) or refuses the batch. */
  readonly invalid?: 'skip' | 'reject';
  /** Attempts after the first, in a row, before a batch is given up. */
  readonly retries: number;
  readonly notify: (message: string) => void;
  readonly wait: (ms: number) => Promise<void>;
  readonly random?: () => number;
}

/** The service refused the batch permanently: sending it again does not help. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** HTTP status of the answer, and the reason that it gave. */
  readonly status: number;
  readonly detail: string;
  constructor(status: number, detail: string) {
    super(`the service refused a batch with ${status}: ${detail || 'no reason given'}`);
    this.status = status;
    this.detail = detail;
  }
}

const REQUEST_TIMEOUT_MS = 60_000;
const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly replayed: boolean;
  readonly text: string;
}

/** Sends batches to POST /logs, and sends them again after a failure that may pass: 408, 429, 5xx, a lost connection. */
export function createSender(options: SenderOptions): { readonly send: Send; close(): void } {
  const { url, apiKey, tls, connections, invalid = 'skip', retries, notify, wait, random = Math.random } = options;
  const secure = url.protocol === 'https:';
  const agent = new (secure ? HttpsAgent : Agent)({ keepAlive: true, maxSockets: connections, ...tls });

  function post(target: URL, body: Buffer, idempotencyKey: string, contentType: string): Promise<Answer> {
    const headers = {
      'Content-Type': contentType,
      'Content-Length': body.length,
      'Idempotency-Key': idempotencyKey,
      ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = (secure ? httpsRequest : httpRequest)(target, {
      agent,
      method: 'POST',
      headers,
      timeout: REQUEST_TIMEOUT_MS,
    });
    request.on('response', (response) => readAnswer(response).then(resolve, reject));
    request.on('timeout', () => request.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`)));
    request.on('error', reject);
    request.end(body);
    return promise;
  }

  async function send(body: Buffer, idempotencyKey: string, options: SendOptions = {}): Promise<Sent> {
    const { contentType = 'application/x-ndjson', stream = ACCESS_STREAM.name } = options;
    const target = logsUrl(url, stream, invalid);
    for (let attempt = 0; ; attempt++) {
      const outcome = await post(target, body, idempotencyKey, contentType).catch((error: unknown) => asError(error));
      if (!(outcome instanceof Error) && !mayPass(outcome.status)) return readOutcome(outcome);
      const failure = describeFailure(outcome, target);
      if (attempt >= retries) throw new Error(`${failure}; gave up after ${attempt + 1} attempts`);
      const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** attempt, LONGEST_BACKOFF_MS) * (0.75 + random() / 2);
      const asked = outcome instanceof Error ? undefined : parseRetryAfter(outcome.retryAfter);
      const ms = Math.round(Math.max(asked ?? 0, backoff));
      notify(`${failure}; next attempt in ${(ms / 1000).toFixed(1)} s`);
      await wait(ms);
    }
  }

  return { send, close: () => agent.destroy() };
}

function logsUrl(url: URL, stream: StreamName, invalid: 'skip' | 'reject'): URL {
  const target = new URL(url);
  const path = isDefaultStream(stream) ? '/logs' : `/logs/${encodeURIComponent(stream)}`;
  target.pathname = `${target.pathname.replace(/\/(logs\/?)?$/, '')}${path}`;
  target.search = `?invalid=${invalid}`;
  return target;
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response) {
    if (bytes < MAX_ANSWER_BYTES) parts.push(part);
    bytes += part.length;
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers['retry-after'],
    replayed: response.headers['idempotency-replayed'] === 'true',
    text: Buffer.concat(parts).toString(),
  };
}

function mayPass(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function readOutcome({ status, replayed, text }: Answer): Sent {
  const body = parseObject(text);
  const rejections = readRejections(body.errors);
  if (status === 202) {
    if (typeof body.accepted !== 'number') throw new Error(`cannot read the answer to a batch: ${text.slice(0, 200)}`);
    const rejected = typeof body.rejected === 'number' ? body.rejected : 0;
    return { accepted: body.accepted, duplicate: replayed, rejections, rejected };
  }
  if (status === 400 && rejections.length > 0) {
    const rejected = typeof body.errorCount === 'number' ? body.errorCount : rejections.length;
    return { accepted: 0, duplicate: replayed, rejections, rejected };
  }
  const detail = typeof body.detail === 'string' ? body.detail : text.slice(0, 200);
  throw new RefusedError(status, detail);
}

function readRejections(errors: unknown): { index: number; reason: string }[] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(
    (error): error is { index: number; reason: string } =>
      typeof error === 'object' &&
      error !== null &&
      typeof error.index === 'number' &&
      typeof error.reason === 'string',
  );
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function describeFailure(outcome: Answer | Error, target: URL): string {
  if (outcome instanceof Error) return `cannot reach url=${target.origin}: ${outcome.message || String(outcome)}`;
  const detail = parseObject(outcome.text).detail;
  return `the service answered ${outcome.status}${typeof detail === 'string' ? `: ${detail}` : ''}`;
}

/** Milliseconds to wait by a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3). */
function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Math.min(Number(header), 3600) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - Date.now(), 0), 3_600_000);
}

/** A refused connection is an AggregateError without a message where a name has several addresses. */
function asError(error: unknown): Error {
  if (error instanceof AggregateError && error.message === '' && error.errors[0] instanceof Error)
    return error.errors[0];
  return error instanceof Error ? error : new Error(String(error));
}
