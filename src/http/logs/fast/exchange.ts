import { STATUS_CODES } from 'node:http';
import { CLIENT_GONE, type LogAccess } from '../../server/access-log.ts';
import type { BodyCollector } from '../body.ts';
import type { LogsExchange } from '../logs.ts';
import type { FastPathContext } from './context.ts';
import type { PlainHead } from './plain-head.ts';

/** The connection of a request. */
interface ExchangeOwner {
  readonly remoteAddress: string | undefined;
  receive(body: BodyCollector): void;
  answer(exchange: FastExchange, answer: FastAnswer): void;
}

/** One request and its answer, once there is one. */
export class FastExchange implements LogsExchange {
  readonly id: string;
  readonly headers: PlainHead['headers'];
  readonly url: string;
  readonly started: number;
  /** The answer as bytes of HTTP, once there is one. */
  text: string | undefined = undefined;
  readonly #connection: ExchangeOwner;

  constructor(connection: ExchangeOwner, id: string, { headers, url }: PlainHead, started: number) {
    this.#connection = connection;
    this.id = id;
    this.headers = headers;
    this.url = url;
    this.started = started;
  }

  get remoteAddress(): string | undefined {
    return this.#connection.remoteAddress;
  }

  receive(body: BodyCollector): void {
    this.#connection.receive(body);
  }

  answer(status: number, contentType: string, body: string, headers?: readonly string[]): void {
    this.#connection.answer(this, { status, contentType, body, headers });
  }
}

export function logAnswered(logAccess: LogAccess, { id, started, url }: FastExchange, status: number): void {
  logAccess({ requestId: id, method: 'POST', path: pathOf(url), status, ms: msSince(started) });
}

/** Logs a request whose client left before the answer was made. */
export function logUnanswered(logAccess: LogAccess | undefined, { id, started, url, text }: FastExchange): void {
  if (text !== undefined) return;
  logAccess?.({
    requestId: id,
    method: 'POST',
    path: pathOf(url),
    status: CLIENT_GONE,
    ms: msSince(started),
    aborted: true,
  });
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? '';
}

function msSince(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}

export interface FastAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers: readonly string[] | undefined;
}

/** The answer as bytes of HTTP. `isLast`: the connection ends after it. */
export function formatAnswer(
  id: string,
  { status, contentType, body, headers }: FastAnswer,
  { dates, keepAlive, isLast }: Pick<FastPathContext, 'dates' | 'keepAlive'> & { readonly isLast: boolean },
): string {
  let text =
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${contentType}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${id}\r\n`;
  if (headers !== undefined) {
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  }
  const rest = isLast ? 'Connection: close' : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAlive}`;
  return `${text}Date: ${dates()}\r\n${rest}\r\n\r\n${body}`;
}
