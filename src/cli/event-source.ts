import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceTls } from '../outputs/outputs.ts';

/** One server-sent event. */
export interface SentEvent {
  readonly event: string;
  /** Lines joined by newlines. */
  readonly data: string;
}

export interface EventSourceOptions {
  readonly url: URL;
  readonly apiKey?: string | undefined;
  readonly tls?: ServiceTls;
  /** Is called when the stream is lost, and when it is connected again. */
  readonly notify: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds between two attempts to connect. */
  readonly retryMs?: number;
}

/** A stream that sends nothing for so long, not even a heartbeat, is lost. */
const SILENCE_MS = 45_000;
const RETRY_MS = 2_000;
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

/**
 * Reads the service's event stream until its reader stops. A lost stream is connected again. A stream that cannot be
 * connected at all, or is refused, throws `cannot read events of url=…`.
 */
export async function* readEvents(options: EventSourceOptions): AsyncGenerator<SentEvent> {
  const { url, notify, signal, retryMs = RETRY_MS } = options;
  let state = 'new' as 'new' | 'connected' | 'lost';
  const lose = (cause: string) => {
    if (state === 'connected') notify(`lost ${url.origin}: ${cause}; trying again`);
    state = 'lost';
  };
  while (!signal?.aborted) {
    try {
      const response = await connect(options);
      if (state === 'lost') notify(`connected again to ${url.origin}`);
      state = 'connected';
      yield* parseEvents(response);
      lose('the service ended the stream');
    } catch (error) {
      if (signal?.aborted) return;
      const cause = error instanceof Error ? error.message : String(error);
      if (state === 'new' || error instanceof RefusedError) {
        throw new Error(`cannot read events of url=${url.origin}: ${cause}`, { cause: error });
      }
      lose(cause);
    }
    await sleep(retryMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

function connect({ url, apiKey, tls, signal }: EventSourceOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { Accept: 'text/event-stream', ...(apiKey !== undefined && { Authorization: `Bearer ${apiKey}` }) };
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    headers,
    timeout: SILENCE_MS,
    agent: false,
    ...tls,
    ...(signal !== undefined && { signal }),
  });
  request.on('timeout', () => request.destroy(new Error(`no data for ${SILENCE_MS / 1_000} s`)));
  request.on('error', (error) => reject(firstCause(error)));
  request.on('response', (response) => {
    if (response.statusCode === 200) resolve(response);
    else refusal(response).then(reject, reject);
  });
  request.end();
  return promise;
}

/** 503 may pass. Any other status than 200 will be the same the next time. */
export async function refusal(response: IncomingMessage): Promise<Error> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += part;
    if (text.length > 64 * 1024) break;
  }
  const message = `the service answered ${response.statusCode}${readDetail(text)}`;
  return response.statusCode === 503 ? new Error(message) : new RefusedError(message);
}

/** `: ` and the detail of a problem document; empty for another body. */
function readDetail(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: unknown };
    return typeof detail === 'string' ? `: ${detail}` : '';
  } catch {
    return '';
  }
}

/** A refused connection is an AggregateError without a message when a name has several addresses. */
export function firstCause(error: Error): Error {
  if (error instanceof AggregateError && error.message === '' && error.errors[0] instanceof Error) {
    return error.errors[0];
  }
  return error;
}

/** Splits a stream into events (WHATWG HTML, 9.2.6), as far as logforge uses the format. */
export async function* parseEvents(stream: AsyncIterable<unknown> & { setEncoding?(name: 'utf8'): unknown }) {
  stream.setEncoding?.('utf8');
  let rest = '';
  for await (const part of stream) {
    rest += String(part);
    let start = 0;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n', start)) {
      const event = parseEvent(rest.slice(start, end));
      start = end + 2;
      if (event !== undefined) yield event;
    }
    rest = rest.slice(start);
    if (rest.length > MAX_EVENT_CHARS) throw new Error(`an event is longer than ${MAX_EVENT_CHARS} characters`);
  }
}

/** undefined for a comment, and for anything else without data. */
function parseEvent(block: string): SentEvent | undefined {
  const data: string[] = [];
  let event = 'message';
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice('event: '.length);
    else if (line.startsWith('data: ')) data.push(line.slice('data: '.length));
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
