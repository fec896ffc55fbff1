// FAST PATH. One connection of the fast path. It reads plain heads and their bodies, answers in the order of the requests,
// and hands the connection over to node:http when a request comes that is not plain. Long: one table of states.
//
// The states, and what happens in each to bytes from the socket:
//
//   head    are read as the heads of plain requests; part of a head is kept until the rest comes
//   body    go into the collector of the newest request
//   drop    are dropped: they belong to the body of a request that was refused
//   leave   are kept for node:http, until reading pauses
//   node    go to node:http, which serves the connection
//   close   are dropped: the last answer is made
//
//   state            event                                                     next
//   head             the head of a plain request                               body
//   head             another head; requests wait for their answer              leave
//   head             another head; all requests are answered                   node
//   head             the client ends its side in the middle of a head          leave or node
//   body             the last byte of the body                                 head
//   body             the newest request is answered before that                drop
//   drop             the last byte of the body                                 head
//   leave            the last answer is sent                                   node
//   any but node     the newest request is answered, and must be the last (*)  close
//   any but node     the client ends its side elsewhere                        close
//   head             no head in time, or no request within the keep-alive      close
//   head             the server stops, and all requests are answered           close
//
//   (*) It is answered while its body arrives (408, 503), too much of its body is unread, or the server drains.
//
// Reading pauses while MAX_OPEN requests wait for their answer, and before a head while more than UNREAD_BYTES of answers
// wait for the client. Every state has a deadline (`checkTime`, and those of logs.ts for a body and an answer): an error, a
// stall, a client that does not read, or `cut` destroys the socket.

import type { Socket } from 'node:net';
import type { CutReason } from '../../../metrics/metrics.ts';
import { readInto, type SocketHandle } from '../../../runtime/socket-handle.ts';
import { endLate, endWith } from '../../server/client-error.ts';
import type { BodyCollector } from '../body.ts';
import type { FastPathContext, OpenConnection } from './context.ts';
import { type FastAnswer, FastExchange, formatAnswer, logAnswered, logUnanswered } from './exchange.ts';
import type { ForwardedSocket } from './forwarded-socket.ts';
import { forwardToNode } from './node-connection.ts';
import { HEAD_END, mayBecomePlain, type PlainHead, readPlainHead } from './plain-head.ts';
import { UNREAD_BYTES, UnreadWatch } from './unread.ts';

type State = 'head' | 'body' | 'drop' | 'leave' | 'node' | 'close';

/**
 * Unanswered requests on one connection. Further ones wait in the kernel. What one connection has sent is decoded in one go, so this is
 * also what others wait for: 64 batches of 100 invalid records took 100 ms.
 */
const MAX_OPEN = 16;
/** Milliseconds that the requests of one read may take. The next ones are begun in the next turn of the event loop. */
const TURN_MS = 2;
/** After a refusal, the rest of a body of at most this is read and dropped, to keep the connection. */
const DROPPED_BYTES = 256 * 1024;

export class FastConnection implements OpenConnection {
  readonly #context: FastPathContext;
  /** The server counts it as a connection until it is destroyed. `#socket` has its handle, or is the same. */
  readonly #accepted: Socket;
  readonly #socket: Socket;
  #state: State = 'head';
  /** Requests whose answer is not sent, in the order in which they came. */
  readonly #open: FastExchange[] = [];
  #requests = 0;
  /** Bytes that were read too early: part of a head, or requests after the MAX_OPEN-th, or those for node:http. */
  #kept: Buffer | undefined;
  /** The kept bytes are read in the next turn of the event loop. */
  #readsSoon = false;
  /** The collector of the newest body; undefined when its bytes are dropped. */
  #body: BodyCollector | undefined;
  /** Bytes of the newest body that have not come. */
  #missing = 0;
  /** Set in the state `node`. */
  #forwarded: ForwardedSocket | undefined;
  /** The last of: the connection opened, an answer was made. */
  #since = performance.now();
  /** When the head began to arrive of which a part is kept. */
  #headSince: number | undefined;
  #movedAt = this.#since;
  /** When the newest request was begun. */
  #begunAt = 0;
  /** Bytes of answers that are made and not written. */
  #made = 0;
  readonly #unread: UnreadWatch;
  /** The client ended its side in the middle of a head. node:http answers that. */
  #isCutShort = false;

  constructor(options: {
    readonly context: FastPathContext;
    readonly accepted: Socket;
    readonly handle: SocketHandle;
    /** The bytes that were read from `accepted`. */
    readonly first: Buffer;
  }) {
    this.#context = options.context;
    this.#accepted = options.accepted;
    this.#socket = readInto(options.accepted, options.handle, {
      buffer: () => this.#space(),
      callback: (length, buffer) => this.#onRead(length, buffer as Buffer),
    });
    this.#unread = new UnreadWatch(this.#socket);
    this.#socket.on('error', this.#onError);
    this.#socket.on('drain', this.#onDrain);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('close', this.#onClose);
    this.#read(options.first);
    // A socket reads from its start.
    if (this.#mayRead()) this.#socket.resume();
    else this.#socket.pause();
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  receive(body: BodyCollector): void {
    this.#body = body;
  }

  /** Where the next read goes. */
  #space(): Buffer {
    const body = this.#body;
    // A body takes memory with its first bytes. Until they come, a head that announces much costs nothing.
    return this.#missing > 0 && body !== undefined && body.arrived > 0 ? body.space() : this.#context.shared;
  }

  /** Called with the bytes of each read. Returns false to pause. */
  #onRead(length: number, buffer: Buffer): boolean {
    if (this.#forwarded !== undefined) return this.#forwarded.feed(Buffer.from(buffer.subarray(0, length)));
    this.#movedAt = performance.now();
    if (this.#state === 'close') return true;
    if (buffer !== this.#context.shared) this.#bodyRead(length);
    else if (this.#kept === undefined) this.#read(buffer.subarray(0, length));
    else this.#read(Buffer.concat([this.#kept, buffer.subarray(0, length)]));
    return this.#mayRead();
  }

  /** No bytes are read before those that are kept for the next turn. */
  #mayRead(): boolean {
    return !this.#readsSoon && !this.#isPaused();
  }

  #isPaused(): boolean {
    if (this.#state === 'leave' || this.#open.length >= MAX_OPEN) return true;
    // Not in the middle of a body: its deadline runs.
    return this.#missing === 0 && (this.#made > UNREAD_BYTES || this.#socket.writableNeedDrain);
  }

  #read(bytes: Buffer): void {
    this.#kept = undefined;
    for (let at = 0; at < bytes.length; ) {
      if (this.#state === 'close') return;
      if (this.#missing > 0) {
        at += this.#copyBody(bytes, at);
      } else if (this.#isPaused()) {
        this.#headSince = undefined;
        this.#keep(bytes.subarray(at));
        return;
      } else if (this.#begunAt - this.#movedAt > TURN_MS) {
        this.#keep(bytes.subarray(at));
        this.#readSoon();
        return;
      } else {
        const next = this.#readHead(bytes, at);
        if (next === -1) return;
        at = next;
      }
    }
  }

  /** Reads the head at `at`. Returns the offset after it, or -1 where it is not whole or not plain. */
  #readHead(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(HEAD_END, at);
    if (end === -1 && mayBecomePlain(bytes, at)) {
      this.#headSince ??= performance.now();
      this.#keep(bytes.subarray(at));
      return -1;
    }
    const head = end === -1 ? undefined : readPlainHead(bytes, at, end);
    if (head === undefined) {
      this.#leave(bytes.subarray(at));
      return -1;
    }
    this.#begin(head);
    return end + HEAD_END.length;
  }

  /** Copies: the next read belongs to another connection, and uses the same memory. */
  #keep(bytes: Buffer): void {
    this.#kept = Buffer.from(bytes);
  }

  #begin(head: PlainHead): void {
    this.#begunAt = performance.now();
    const exchange = new FastExchange(this, this.#context.requestId(head.headers), head, this.#begunAt);
    this.#requests++;
    this.#headSince = undefined;
    this.#open.push(exchange);
    this.#state = 'body';
    this.#body = undefined;
    this.#missing = head.length;
    this.#context.handlePost(exchange);
    if (this.#missing === 0) this.#endBody();
  }

  /** The bytes of a body that came together with a head. Returns how many there are. */
  #copyBody(bytes: Buffer, at: number): number {
    const length = Math.min(this.#missing, bytes.length - at);
    if (this.#body !== undefined) bytes.copy(this.#body.space(length), 0, at, at + length);
    this.#bodyRead(length);
    return length;
  }

  #bodyRead(length: number): void {
    this.#body?.wrote(length);
    this.#missing -= length;
    if (this.#missing === 0) this.#endBody();
  }

  #endBody(): void {
    const body = this.#body;
    this.#body = undefined;
    if (this.#state !== 'close') this.#state = 'head';
    body?.end();
  }

  #leave(bytes: Buffer): void {
    this.#keep(bytes);
    this.#state = 'leave';
    if (this.#open.length === 0) this.#goToNode();
  }

  #goToNode(): void {
    this.#state = 'node';
    this.#context.connections.delete(this);
    this.#socket.off('end', this.#onEnd).off('error', this.#onError).off('drain', this.#onDrain);
    const kept = this.#kept;
    this.#kept = undefined;
    const forwarded = forwardToNode(this.#context, this.#socket);
    this.#forwarded = forwarded;
    if (kept !== undefined) forwarded.feed(kept);
    if (this.#isCutShort) forwarded.feedEnd();
  }

  answer(exchange: FastExchange, answer: FastAnswer): void {
    const now = performance.now();
    this.#context.observe(exchange.url, (answer.status / 100) | 0, (now - exchange.started) / 1_000);
    if (this.#socket.destroyed) return;
    const { dates, keepAlive, logAccess } = this.#context;
    if (logAccess !== undefined) logAnswered(logAccess, exchange, answer.status);
    // The answer to an older request must not close: the answers after it would be lost.
    const isNewest = exchange === this.#open.at(-1);
    if (isNewest) this.#answerNewest();
    const isLast = isNewest && this.#state === 'close';
    exchange.text = formatAnswer(exchange.id, answer, { dates, keepAlive, isLast });
    this.#made += exchange.text.length;
    this.#since = now;
    if (exchange === this.#open[0]) this.#context.flushSoon(this);
  }

  #answerNewest(): void {
    const isUnderWay = this.#body !== undefined;
    this.#body = undefined;
    if (this.#state === 'body') this.#state = 'drop';
    const isLast = isUnderWay || this.#missing > DROPPED_BYTES || this.#context.isDraining();
    if (isLast) this.#state = 'close';
  }

  /** Sends the answers that are next in turn. */
  flush(): void {
    if (this.#socket.destroyed) return;
    const open = this.#open;
    const wasPaused = this.#isPaused();
    let text = '';
    while (open[0]?.text !== undefined) text += open.shift()?.text;
    if (text === '') return;
    this.#made -= text.length;
    if (this.#state === 'close' && open.length === 0) {
      endWith(this.#socket, text);
      return;
    }
    this.#socket.write(text);
    if (wasPaused && this.#state !== 'close') this.#goOn();
  }

  /** After a pause. */
  #goOn(): void {
    if (this.#state === 'leave') {
      if (this.#open.length === 0) this.#goToNode();
      return;
    }
    if (this.#kept === undefined) this.#socket.resume();
    else this.#readSoon();
  }

  /** In a turn of its own: refusals are made without waiting for anything, so one connection could go on for ever. */
  #readSoon(): void {
    if (this.#readsSoon) return;
    this.#readsSoon = true;
    setImmediate(this.#readKept);
  }

  readonly #readKept = (): void => {
    this.#readsSoon = false;
    if (this.#socket.destroyed) return;
    if (this.#kept !== undefined && !this.#isPaused()) {
      this.#movedAt = performance.now();
      this.#read(this.#kept);
    }
    if (this.#mayRead()) this.#socket.resume();
  };

  checkTime(now: number, stalledMs: number): void {
    const { unreadMs, limits } = this.#context;
    if (this.#unread.isOver(now, unreadMs)) {
      this.cutUnread('unread');
      return;
    }
    if (this.#state === 'close') return;
    const { headersTimeoutMs, keepAliveTimeoutMs } = limits;
    const isBusy = this.#open.length > 0 || this.#missing > 0;
    if (isBusy) {
      const isSlow = this.#state === 'drop' && now - this.#since > headersTimeoutMs;
      if (isSlow || now - this.#movedAt > stalledMs) this.cut();
    } else if (this.#headSince !== undefined || this.#requests === 0) {
      if (now - (this.#headSince ?? this.#since) > headersTimeoutMs) {
        this.#state = 'close';
        endLate(this.#socket, limits);
      }
    } else if (this.#kept === undefined && now - this.#since > keepAliveTimeoutMs) {
      this.closeIfIdle();
    }
  }

  unreadBytes(): number {
    return this.#made + this.#unread.bytes();
  }

  unreadSince(): number {
    return this.#unread.movedAt;
  }

  cutUnread(reason: CutReason): void {
    this.#context.onCut(reason, this.remoteAddress);
    this.cut();
  }

  closeIfIdle(): void {
    if (this.#open.length > 0 || this.#missing > 0 || this.#readsSoon || this.#state === 'close') return;
    this.#state = 'close';
    this.#socket.destroySoon();
  }

  cut(): void {
    this.#socket.destroy();
  }

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  /** The client has read what it did not read. */
  readonly #onDrain = (): void => {
    if (this.#state !== 'close' && this.#mayRead()) this.#goOn();
  };

  /** The client ended its side: it sends no more, and still reads answers. */
  readonly #onEnd = (): void => {
    if (this.#state === 'head' && this.#kept !== undefined) {
      this.#isCutShort = true;
      this.#leave(this.#kept);
      return;
    }
    this.#state = 'close';
    const body = this.#body;
    this.#body = undefined;
    if (body !== undefined) body.fail('aborted');
    else if (this.#open.length === 0) this.#socket.destroySoon();
  };

  readonly #onClose = (): void => {
    this.#accepted.destroy();
    this.#context.connections.delete(this);
    for (const exchange of this.#open) logUnanswered(this.#context.logAccess, exchange);
    const body = this.#body;
    this.#body = undefined;
    body?.fail('aborted');
  };
}
