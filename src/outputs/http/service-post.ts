import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../../model/clock.ts';
import { GaveUpError, type ServiceTls } from '../outputs.ts';

export interface PostOptions {
  /** The service's address. */
  readonly url: URL;
  readonly apiKey?: string | undefined;
  readonly tls?: ServiceTls | undefined;
  /** Requests at once; further ones wait. */
  readonly connections: number;
  /** Attempts after the first, in a row, before a request is given up. */
  readonly retries: number | 'forever';
  /** Why a request will be sent again, and when. */
  readonly notify: (message: string) => void;
  /** Aborted: requests and pauses end at once, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. A rejection ends the attempts. */
  readonly wait?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  readonly random?: (() => number) | undefined;
  readonly clock?: Clock | undefined;
  /** So long a connection may be silent, and so long an answer may take from its head to its end. Default 60 s. */
  readonly timeoutMs?: number | undefined;
}

/** A whole answer that does not ask to try again. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export interface Post {
  /**
   * Posts `body`, again while the service is busy or unavailable: 408, 429, 5xx, no connection, no whole answer. Rejects with GaveUpError, or with
   * the reason of the signal.
   */
  post(target: URL, body: Buffer, headers: Readonly<Record<string, string>>): Promise<Answer>;
  /** Cuts all connections; no attempt begins after it. */
  close(): void;
}

const TIMEOUT_MS = 60_000;
const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 30_000;
const LONGEST_ASKED_MS = 3_600_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** What the system says of a connection that the other side has closed. */
const CLOSED = ['ECONNRESET', 'EPIPE'];

export function createPost(options: PostOptions): Post {
  const { url, apiKey, tls, connections, retries, notify, signal, timeoutMs = TIMEOUT_MS } = options;
  const { wait = pause, random = Math.random, clock = systemClock } = options;
  const secure = url.protocol === 'https:';
  const agent = new (secure ? HttpsAgent : Agent)({ keepAlive: true, maxSockets: connections, ...tls });
  const authorization = apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };
  const closed = new AbortController();
  const ended = signal === undefined ? closed.signal : AbortSignal.any([signal, closed.signal]);

  function attempt(target: URL, body: Buffer, headers: Readonly<Record<string, string>>): Promise<Answer | LostAnswer> {
    const { promise, resolve } = Promise.withResolvers<Answer | LostAnswer>();
    const request = (secure ? httpsRequest : httpRequest)(target, {
      agent,
      method: 'POST',
      headers: { ...headers, 'Content-Length': body.length, ...authorization },
      timeout: timeoutMs,
      signal: ended,
    });
    const fail = (error: unknown): void => resolve(new LostAnswer(error, request));
    request.on('response', (response) => readAnswer(request, response, timeoutMs).then(resolve, fail));
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    request.on('error', fail);
    request.end(body);
    return promise;
  }

  function throwIfEnded(mayBeStored: boolean): void {
    signal?.throwIfAborted();
    if (closed.signal.aborted) throw new GaveUpError('the sender is closed', { mayBeStored });
  }

  async function post(target: URL, body: Buffer, headers: Readonly<Record<string, string>>): Promise<Answer> {
    let mayBeStored = false;
    for (let attempts = 0; ; ) {
      throwIfEnded(mayBeStored);
      const outcome = await attempt(target, body, headers);
      if (outcome instanceof LostAnswer) mayBeStored ||= outcome.wasSent;
      else if (!mayPass(outcome.status)) return outcome;
      throwIfEnded(mayBeStored);
      if (outcome instanceof LostAnswer && outcome.wasIdle) continue;
      attempts++;
      const failure = describeFailure(outcome, target);
      if (retries !== 'forever' && attempts > retries)
        throw new GaveUpError(`${failure}; gave up after ${attempts} attempts`, { mayBeStored });
      const ms = Math.round(Math.max(askedPause(outcome, clock()), backoffMs(attempts) * (0.75 + random() / 2)));
      notify(`${failure}; next attempt in ${(ms / 1000).toFixed(1)} s`);
      await wait(ms, ended).catch((cause: unknown) => {
        throwIfEnded(mayBeStored);
        throw new GaveUpError(messageOf(cause), { mayBeStored, cause });
      });
    }
  }

  function close(): void {
    closed.abort();
    agent.destroy();
  }

  return { post, close };
}

/** No whole answer came. */
class LostAnswer {
  readonly error: Error;
  /** The operating system had taken the whole request. */
  readonly wasSent: boolean;
  /** The connection had waited for its next request, and the service closed it at that moment: nothing is wrong with the service. */
  readonly wasIdle: boolean;

  constructor(error: unknown, request: ClientRequest) {
    this.error = firstOf(error);
    this.wasSent = request.writableFinished;
    this.wasIdle = request.reusedSocket && 'code' in this.error && CLOSED.includes(String(this.error.code));
  }
}

/** Rejects when the answer is cut, too long, or not whole in time. After it nothing of the request is on its way. */
async function readAnswer(request: ClientRequest, response: IncomingMessage, timeoutMs: number): Promise<Answer> {
  const timer = setTimeout(
    () => response.destroy(new Error(`the answer was not whole within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  try {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      parts.push(part);
    }
    return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString() };
  } finally {
    clearTimeout(timer);
    // The service has answered before the end of the body, whose memory may be used again from now on.
    if (!request.writableFinished) request.destroy();
  }
}

function mayPass(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function describeFailure(outcome: Answer | LostAnswer, target: URL): string {
  if (outcome instanceof LostAnswer) return `cannot reach url=${target.origin}: ${messageOf(outcome.error)}`;
  const { detail } = parseObject(outcome.text);
  return `the service answered ${outcome.status}${typeof detail === 'string' ? `: ${detail}` : ''}`;
}

/** Milliseconds after so many attempts that failed. */
function backoffMs(attempts: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), LONGEST_BACKOFF_MS);
}

/** Milliseconds that the Retry-After header of an answer asks for: seconds or an HTTP date (RFC 9110, 10.2.3). */
function askedPause(outcome: Answer | LostAnswer, now: number): number {
  const header = outcome instanceof LostAnswer ? undefined : outcome.headers['retry-after'];
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), LONGEST_ASKED_MS);
}

/** The members of a JSON object; none where the text is something else. */
export function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** A refused connection is an AggregateError without a message where a name has several addresses. */
function firstOf(error: unknown): Error {
  if (error instanceof AggregateError && error.message === '' && error.errors[0] instanceof Error)
    return error.errors[0];
  return error instanceof Error ? error : new Error(String(error));
}

function messageOf(error: unknown): string {
  return (error instanceof Error && error.message) || String(error);
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
