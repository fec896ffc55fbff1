// FAST PATH. One connection of the fast path: reads plain heads and their bodies, answers in order, and goes over to
// node:http, through a stream between the two, when a request comes that is not plain.

import type { Socket } from 'node:net';
import { CLIENT_GONE, type LogAccess } from '../../server/access-log.ts';
import { endLate, endWith } from '../../server/client-error.ts';
import type { BodyCollector } from '../body.ts';
import type { FastPathContext, Watched } from './context.ts';
import { type FastAnswer, FastExchange, formatAnswer } from './exchange.ts';
import { ForwardedSocket } from './forwarded-socket.ts';
import { PLAIN_START, type PlainHead, readPlainHead } from './plain-head.ts';
import { readInto } from './socket-handle.ts';

export const HEAD_END = Buffer.from('\r\n\r\n');
/** A head that is not whole by then is for node:http. */
const MAX_HEAD_BYTES = 8 * 1024;
/** Requests begun and not answered on one connection; further ones wait in the kernel. */
const MAX_OPEN = 64;
/** What is left of a body of at most this, after its request was refused, is read and dropped to keep the connection. */
const DROPPED_BYTES = 256 * 1024;
const REQUEST_TIMEOUT = 408;

export class FastConnection implements Watched {
  readonly #context: FastPathContext;
  /** Counted by the server as long as it is not destroyed; its handle is read by `#socket`. */
  readonly #accepted: Socket;
  readonly #socket: Socket;
  /** Begun and not answered, or answered behind one that is not: in the order in which they came. */
  readonly #open: FastExchange[] = [];
  #requests = 0;
  /** What came and could not be read yet: half a head, or what follows when enough is open or node:http is to take over. */
  #kept: Buffer | undefined;
  /** Where the rest of the present body goes; undefined when it is dropped. */
  #body: BodyCollector | undefined;
  /** Bytes of the present body that have not come. */
  #missing = 0;
  /** node:http takes over when all is answered. */
  #isLeaving = false;
  #forwarded: ForwardedSocket | undefined;
  /** Its last answer is made: what still comes is dropped. */
  #isClosing = false;
  #hasEnded = false;
  /** When it was opened, when the head that is coming began, or when the last answer was given. */
  #since = performance.now();
  #movedAt = this.#since;

  constructor(context: FastPathContext, accepted: Socket, first: Buffer) {
    this.#context = context;
    this.#accepted = accepted;
    this.#socket = readInto(accepted, {
      buffer: () => this.#space(),
      callback: (length, buffer) => this.#onRead(length, buffer as Buffer),
    });
    this.#socket.on('error', this.#onError);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('close', this.#onClose);
    this.#read(first);
    if (!this.#isFull()) this.#socket.resume();
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  receive(body: BodyCollector): void {
    this.#body = body;
  }

  answer(exchange: FastExchange, answer: FastAnswer): void {
    const now = performance.now();
    this.#context.observe((answer.status / 100) | 0, (now - exchange.started) / 1_000);
    if (this.#socket.destroyed) return;
    if (this.#context.logAccess !== undefined) this.#logAccess(this.#context.logAccess, exchange, answer.status);
    const isNewest = exchange === this.#open.at(-1);
    if (isNewest) {
      // Refused before it was there: the rest is dropped.
      this.#body = undefined;
      const isLate = answer.status === REQUEST_TIMEOUT;
      // An older request must not close: the answers behind it would be lost.
      if (isLate || this.#missing > DROPPED_BYTES || this.#hasEnded || this.#context.isDraining())
        this.#isClosing = true;
    }
    const { dates, keepAlive } = this.#context;
    exchange.text = formatAnswer(exchange.id, answer, { dates, keepAlive, isLast: isNewest && this.#isClosing });
    this.#since = now;
    if (exchange !== this.#open[0]) return;
    this.#context.flushSoon(this);
  }

  /** Sends the answers that are next in turn. */
  flush(): void {
    if (this.#socket.destroyed) return;
    const open = this.#open;
    const wasFull = this.#isFull();
    let text = '';
    while (open[0]?.text !== undefined) text += open.shift()?.text;
    if (text === '') return;
    if (this.#isClosing && open.length === 0) {
      endWith(this.#socket, text);
      return;
    }
    this.#socket.write(text);
    if (wasFull && !this.#isClosing) this.#goOn();
  }

  checkTime(now: number, stalledMs: number): void {
    if (this.#isClosing) return;
    const { headersTimeoutMs, keepAliveTimeoutMs } = this.#context.limits;
    const isBetween = this.#open.length === 0 && this.#missing === 0;
    if (!isBetween) {
      const isDropping = this.#missing > 0 && this.#body === undefined;
      if (now - this.#movedAt > stalledMs || (isDropping && now - this.#since > headersTimeoutMs)) this.cut();
    } else if (this.#requests > 0 && this.#kept === undefined) {
      if (now - this.#since > keepAliveTimeoutMs) this.closeIfIdle();
    } else if (now - this.#since > headersTimeoutMs) {
      this.#isClosing = true;
      endLate(this.#socket);
    }
  }

  closeIfIdle(): void {
    if (this.#open.length > 0 || this.#missing > 0) return;
    this.#isClosing = true;
    this.#socket.destroySoon();
  }

  cut(): void {
    this.#socket.destroy();
  }

  /** Where the next read goes. */
  #space(): Buffer {
    return this.#missing > 0 && this.#body !== undefined ? this.#body.space() : this.#context.shared;
  }

  /** False to read no more until `resume`. */
  #onRead(length: number, buffer: Buffer): boolean {
    if (this.#forwarded !== undefined) return this.#forwarded.push(Buffer.from(buffer.subarray(0, length)));
    this.#movedAt = performance.now();
    if (this.#isClosing) return true;
    if (buffer !== this.#context.shared) this.#bodyCame(length);
    else if (this.#kept === undefined) this.#read(buffer.subarray(0, length));
    else this.#read(Buffer.concat([this.#kept, buffer.subarray(0, length)]));
    return !this.#isFull();
  }

  #isFull(): boolean {
    return this.#isLeaving || this.#open.length >= MAX_OPEN;
  }

  #read(bytes: Buffer): void {
    this.#kept = undefined;
    let at = 0;
    while (at < bytes.length && !this.#isClosing) {
      if (this.#missing > 0) {
        const taken = Math.min(this.#missing, bytes.length - at);
        if (this.#body !== undefined) bytes.copy(this.#body.space(), 0, at, at + taken);
        this.#bodyCame(taken);
        at += taken;
      } else if (this.#isFull()) {
        this.#keep(bytes.subarray(at));
        return;
      } else {
        const next = this.#readHead(bytes, at);
        if (next === -1) return;
        at = next;
      }
    }
  }

  /** The offset behind the head at `at`, or -1 where nothing more is to be read of `bytes`. */
  #readHead(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(HEAD_END, at);
    if (end === -1) {
      const start = bytes.toString('latin1', at, at + PLAIN_START.length);
      if (bytes.length - at > MAX_HEAD_BYTES || !PLAIN_START.startsWith(start)) this.#leave(bytes.subarray(at));
      else this.#keep(bytes.subarray(at));
      return -1;
    }
    const head = end - at > MAX_HEAD_BYTES ? undefined : readPlainHead(bytes.toString('latin1', at, end));
    if (head === undefined) {
      this.#leave(bytes.subarray(at));
      return -1;
    }
    this.#begin(head);
    return end + HEAD_END.length;
  }

  #begin(head: PlainHead): void {
    const exchange = new FastExchange(this, this.#context.requestId(head.headers), head, performance.now());
    this.#requests++;
    this.#open.push(exchange);
    this.#body = undefined;
    this.#missing = head.length;
    this.#context.handleLogs(exchange);
    if (this.#missing === 0) this.#endBody();
  }

  #bodyCame(length: number): void {
    this.#body?.wrote(length);
    this.#missing -= length;
    if (this.#missing === 0) this.#endBody();
  }

  #endBody(): void {
    const body = this.#body;
    this.#body = undefined;
    body?.end();
  }

  /** For later: the memory of a read belongs to the next connection. */
  #keep(bytes: Buffer): void {
    if (this.#open.length === 0) this.#since = performance.now();
    this.#kept = Buffer.from(bytes);
  }

  #leave(bytes: Buffer): void {
    this.#keep(bytes);
    this.#isLeaving = true;
    if (this.#open.length === 0) this.#goToNode();
  }

  #goToNode(): void {
    this.#context.connections.delete(this);
    this.#socket.off('end', this.#onEnd).off('error', this.#onError);
    this.#forwarded = new ForwardedSocket(this.#socket);
    this.#context.toNode(this.#forwarded.asSocket());
    this.#forwarded.push(this.#kept);
    this.#kept = undefined;
  }

  #goOn(): void {
    if (this.#isLeaving) {
      if (this.#open.length === 0) this.#goToNode();
      return;
    }
    if (this.#kept !== undefined) this.#read(this.#kept);
    if (!this.#isFull()) this.#socket.resume();
  }

  #logAccess(logAccess: LogAccess, { id, started }: FastExchange, status: number, aborted?: true): void {
    const ms = Math.round((performance.now() - started) * 10) / 10;
    logAccess({ requestId: id, method: 'POST', path: '/logs', status, ms, ...(aborted && { aborted }) });
  }

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  /** The client has sent all that it will. */
  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    const body = this.#body;
    this.#body = undefined;
    if (body !== undefined) body.fail('aborted');
    else if (this.#open.length === 0) this.closeIfIdle();
    else this.#isClosing = true;
  };

  readonly #onClose = (): void => {
    this.#accepted.destroy();
    const { connections, logAccess } = this.#context;
    connections.delete(this);
    if (logAccess !== undefined) {
      for (const exchange of this.#open) {
        if (exchange.text === undefined) this.#logAccess(logAccess, exchange, CLIENT_GONE, true);
      }
    }
    const body = this.#body;
    this.#body = undefined;
    body?.fail('aborted');
  };
}
