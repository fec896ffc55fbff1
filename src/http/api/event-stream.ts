import type { ServerResponse } from 'node:http';
import type { StreamKind } from '../../metrics/metrics.ts';

/** One client that reads server-sent events (WHATWG HTML, 9.2). */
export interface EventStream {
  /** False when the client reads too slowly, or has left. Then nothing was sent. */
  send(text: string): boolean;
}

/** The open streams of one server. */
export interface EventStreams {
  /** Answers with a stream. `onClose` is called once, when the stream has ended for any reason. */
  open(response: ServerResponse, options: OpenOptions): EventStream;
  count(kind: StreamKind): number;
  /** Ends all streams. */
  close(): void;
}

interface OpenOptions {
  readonly kind: StreamKind;
  /** Bytes kept for a client that reads slowly. Text that does not fit is not sent. */
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
  // Without it nginx would collect the events.
  'X-Accel-Buffering': 'no',
};

/** Whether a response is a stream, which lasts as long as its client reads. */
export function isEventStream(response: ServerResponse): boolean {
  return response.getHeader('content-type') === HEAD['Content-Type'];
}

interface StreamTimes {
  /** Each stream is sent a comment in this interval, in milliseconds. */
  readonly beatMs: number;
  /** A client whose buffer has been full for so long has stopped reading, and is cut: milliseconds. */
  readonly stallMs: number;
}

export function createEventStreams(
  options: Partial<StreamTimes> & {
    readonly onDropped: (kind: StreamKind) => void;
    readonly onCount: (kind: StreamKind, count: number) => void;
  },
): EventStreams {
  const { onDropped, onCount, beatMs = 10_000, stallMs = 20_000 } = options;
  const streams = new Set<Open>();
  const count = (kind: StreamKind) => [...streams].filter((stream) => stream.kind === kind).length;
  let timer: NodeJS.Timeout | undefined;

  const beat = () => {
    const now = performance.now();
    for (const stream of streams) stream.beat(now);
  };
  const remove = (stream: Open) => {
    streams.delete(stream);
    onCount(stream.kind, count(stream.kind));
    if (streams.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    open(response, { kind, bufferBytes, onClose }) {
      const stream = createStream({ response, kind, bufferBytes, stallMs, onStalled: () => onDropped(kind) });
      streams.add(stream);
      timer ??= setInterval(beat, beatMs).unref();
      onCount(kind, count(kind));
      const closed = () => {
        remove(stream);
        onClose();
      };
      if (response.destroyed) setImmediate(closed);
      else response.once('close', closed);
      // A client that ended its side has left: a stream has no end that it could wait for.
      response.socket?.once('end', stream.end);
      response.writeHead(200, HEAD);
      // The first bytes: the client knows that it is connected, and how long to wait before it connects again.
      response.write('retry: 2000\n\n');
      return stream;
    },
    count,
    close() {
      for (const stream of streams) stream.end();
    },
  };
}

function createStream(options: {
  readonly response: ServerResponse;
  readonly kind: StreamKind;
  readonly bufferBytes: number;
  readonly stallMs: number;
  readonly onStalled: () => void;
}): Open {
  const { response, kind, bufferBytes, stallMs, onStalled } = options;
  let fullSince: number | undefined;
  const send = (text: string): boolean => {
    if (response.destroyed || response.writableEnded) return false;
    if (response.writableLength + text.length > bufferBytes) {
      fullSince ??= performance.now();
      return false;
    }
    fullSince = undefined;
    response.write(text);
    return true;
  };
  return {
    kind,
    send,
    beat(now) {
      if (fullSince === undefined) {
        send(':\n\n');
      } else if (now - fullSince >= stallMs) {
        onStalled();
        response.destroy();
      }
    },
    end: () => void response.end(),
  };
}

/** One event; `data` may have several lines, none of them with a carriage return. */
export function eventText(name: string, data: string): string {
  return `event: ${name}\ndata: ${data.replaceAll('\n', '\ndata: ')}\n\n`;
}
