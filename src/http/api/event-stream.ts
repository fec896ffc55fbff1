import type { ServerResponse } from 'node:http';

/** One client that reads server-sent events (WHATWG HTML, 9.2). */
export interface EventStream {
  /** False when the client is behind with reading, or gone; then nothing was sent. */
  send(text: string): boolean;
}

/** The open streams of one server. */
export interface EventStreams {
  /** Answers with a stream; `onClose` is called once, when it has ended, whoever ended it. */
  open(response: ServerResponse, options: OpenOptions): EventStream;
  count(kind: StreamKind): number;
  /** Ends them all. */
  close(): void;
}

export type StreamKind = 'stats' | 'tail';

interface OpenOptions {
  readonly kind: StreamKind;
  /** Bytes kept for a client that is behind; what would go beyond is not sent. */
  readonly bufferBytes: number;
  readonly onClose: () => void;
}

interface Open extends EventStream {
  readonly kind: StreamKind;
  beat(now: number): void;
  end(): void;
}

const HEAD = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // For nginx, which would collect the events otherwise.
  'X-Accel-Buffering': 'no',
};

/** Whether a response became a stream, which lasts as long as its reader likes. */
export function isEventStream(response: ServerResponse): boolean {
  return response.getHeader('content-type') === HEAD['Content-Type'];
}

/** A client that has been behind for `stallMs` has stopped reading, and is cut. All are sent a comment each `beatMs`. */
export function createEventStreams(options: {
  readonly onDropped: (kind: StreamKind) => void;
  readonly onCount: (kind: StreamKind, count: number) => void;
  readonly beatMs?: number;
  readonly stallMs?: number;
}): EventStreams {
  const { onDropped, onCount, beatMs = 10_000, stallMs = 20_000 } = options;
  const streams = new Set<Open>();
  const count = (kind: StreamKind) => [...streams].filter((stream) => stream.kind === kind).length;
  let timer: NodeJS.Timeout | undefined;

  const beat = () => {
    const now = performance.now();
    for (const stream of streams) stream.beat(now);
  };

  const open: EventStreams['open'] = (response, { kind, bufferBytes, onClose }) => {
    let behindSince: number | undefined;
    const stream: Open = {
      kind,
      send(text) {
        if (response.destroyed || response.writableEnded) return false;
        if (response.writableLength + text.length > bufferBytes) {
          behindSince ??= performance.now();
          return false;
        }
        behindSince = undefined;
        response.write(text);
        return true;
      },
      beat(now) {
        if (behindSince === undefined) {
          stream.send(':\n\n');
        } else if (now - behindSince >= stallMs) {
          onDropped(kind);
          response.destroy();
        }
      },
      end: () => void response.end(),
    };
    streams.add(stream);
    timer ??= setInterval(beat, beatMs).unref();
    onCount(kind, count(kind));
    const closed = () => {
      streams.delete(stream);
      onCount(kind, count(kind));
      if (streams.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
      onClose();
    };
    if (response.destroyed) setImmediate(closed);
    else response.once('close', closed);
    response.writeHead(200, HEAD);
    // The first bytes: the client knows that it is connected, and how long to wait before it connects anew.
    response.write('retry: 2000\n\n');
    return stream;
  };

  return {
    open,
    count,
    close() {
      for (const stream of streams) stream.end();
    },
  };
}

/** One event; `data` may have several lines, none of them with a carriage return. */
export function eventText(name: string, data: string): string {
  return `event: ${name}\ndata: ${data.replaceAll('\n', '\ndata: ')}\n\n`;
}
