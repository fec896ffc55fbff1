import type { Socket } from 'node:net';
import type { Random } from './random.ts';

/** What spoils one direction of a connection. All of it can hold at once. */
export interface Toxics {
  /** Each piece arrives so much later, in milliseconds, plus or minus a jitter drawn by the seed. Order is kept. */
  readonly latencyMs?: number;
  readonly jitterMs?: number;
  readonly bytesPerSecond?: number;
  /** Nothing passes, and nobody is told. What arrives waits, as what TCP sends again after a partition. */
  readonly isBlackHole?: boolean;
  /** Cuts the stream into pieces of 1 to so many bytes, drawn by the seed, a millisecond apart. */
  readonly sliceBytes?: number;
  /** At least 1. Closes the connection when it has passed on so many bytes from now on. */
  readonly limitBytes?: number;
}

/** Takes the bytes that arrived, and returns those that go on. */
export type Filter = (data: Buffer) => Buffer;

/** One direction of a connection: a bounded queue between two sockets. */
export interface Passage {
  /** Replaces the toxics. */
  spoil(toxics: Toxics): void;
  /** Passes on no more, and tells the sink that the stream ended. */
  end(): void;
}

interface Piece {
  readonly data: Buffer;
  readonly arrivedAt: number;
  /** From -1 to 1. */
  readonly jitter: number;
}

const MAX_HELD_BYTES = 256 * 1024;
const MAX_PIECE_BYTES = 64 * 1024;
/** With a bandwidth, a piece is what it carries in this time. */
const PIECE_MS = 20;
/** Pieces at the same moment would be read as one. */
const SLICE_PAUSE_MS = 1;

export function createPassage(options: {
  readonly source: Socket;
  readonly sink: Socket;
  readonly draw: Random;
  readonly filter: Filter | undefined;
  onPassed(bytes: number): void;
  /** Closes the whole connection. */
  cut(): void;
}): Passage {
  const { source, sink, draw, filter, onPassed, cut } = options;
  const queue: Piece[] = [];
  let held = 0;
  let toxics: Toxics = {};
  let left = Number.POSITIVE_INFINITY;
  /** When the bandwidth allows the next piece. */
  let nextAt = 0;
  let hasEnded = false;
  let isFull = false;
  let timer: NodeJS.Timeout | undefined;

  source.on('data', (data: Buffer) => {
    const passing = filter === undefined ? data : filter(data);
    if (hasEnded || passing.length === 0) return;
    queue.push({ data: passing, arrivedAt: performance.now(), jitter: draw.next() * 2 - 1 });
    held += passing.length;
    if (held >= MAX_HELD_BYTES) source.pause();
    pass();
  });
  source.on('end', () => {
    hasEnded = true;
    pass();
  });
  sink.on('drain', () => {
    isFull = false;
    pass();
  });
  sink.on('close', () => clearTimeout(timer));

  function pass(): void {
    clearTimeout(timer);
    while (!toxics.isBlackHole && !isFull && left > 0 && !sink.destroyed) {
      const head = queue[0];
      if (head === undefined) {
        if (hasEnded && !sink.writableEnded) sink.end();
        return;
      }
      const { latencyMs = 0, jitterMs = 0 } = toxics;
      const dueAt = Math.max(head.arrivedAt + latencyMs + jitterMs * head.jitter, nextAt);
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) {
        timer = setTimeout(pass, waitMs);
        return;
      }
      passPiece(head);
    }
  }

  function passPiece(head: Piece): void {
    const { bytesPerSecond = Number.POSITIVE_INFINITY, sliceBytes } = toxics;
    const limits = [MAX_PIECE_BYTES, left, Math.max(1, Math.ceil((bytesPerSecond * PIECE_MS) / 1000))];
    if (sliceBytes !== undefined) limits.push(draw.int(1, sliceBytes));
    const piece = head.data.subarray(0, Math.min(...limits));
    const rest = head.data.subarray(piece.length);
    queue.splice(0, 1, ...(rest.length === 0 ? [] : [{ ...head, data: rest }]));
    held -= piece.length;
    left -= piece.length;
    const pauseMs = sliceBytes === undefined ? 0 : SLICE_PAUSE_MS;
    nextAt = Math.max(nextAt, performance.now()) + (piece.length / bytesPerSecond) * 1000 + pauseMs;
    isFull = !sink.write(piece);
    onPassed(piece.length);
    if (held < MAX_HELD_BYTES) source.resume();
    // What was written leaves first: a destroyed socket throws away its buffer.
    if (left === 0) sink.end(cut);
  }

  return {
    spoil(next) {
      toxics = next;
      left = next.limitBytes ?? Number.POSITIVE_INFINITY;
      nextAt = 0;
      pass();
    },
    end() {
      hasEnded = true;
      queue.length = 0;
      held = 0;
      if (!sink.writableEnded) sink.end();
      source.resume();
    },
  };
}
