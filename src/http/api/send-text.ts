import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { OpenFile } from '../../disk/open-file.ts';

/** Texts up to this length are sent without a place: they fit the buffers of a connection. */
const SMALL_BYTES = 64 * 1024;
/** Compression pays from about here. */
const MIN_GZIP_BYTES = 4 * 1024;
/** It is to save the network, not the last byte: level 1 takes a third of the time of level 6. */
const GZIP_LEVEL = 1;

interface SendLimits {
  /** Large texts that are sent at once. Each has one slice in memory. */
  readonly maxAtOnce: number;
  /** Those that wait for a place in the order of their coming, and for how long: milliseconds. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** A client has to take this many bytes in each period, or it is disconnected. */
  readonly leastBytes: number;
  readonly periodMs: number;
}

export const SEND_LIMITS: SendLimits = {
  maxAtOnce: 16,
  maxWaiting: 64,
  maxWaitMs: 30_000,
  leastBytes: 1024 * 1024,
  periodMs: 30_000,
};

/** The body to answer with; undefined where too many texts are being sent. The text is closed with its end in any case. */
export type SendText = (text: OpenFile, options: { readonly gzip: boolean }) => Promise<Sent | undefined>;

interface Sent {
  readonly body: ReadableStream<Uint8Array>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends texts slice by slice, each when the client has taken the one before. */
export function createSendText(limits: SendLimits = SEND_LIMITS): SendText {
  const places = createPlaces(limits);

  return async function sendText(text, { gzip }) {
    const isLarge = text.bytes > SMALL_BYTES;
    if (isLarge && !(await places.take())) {
      await text.close();
      return undefined;
    }
    const release = once(() => {
      void text.close();
      if (isLarge) places.free();
    });
    const plain = toStream(text, release, limits);
    if (!gzip || text.bytes < MIN_GZIP_BYTES) return { body: plain, headers: { 'Content-Length': String(text.bytes) } };
    return { body: pack(plain), headers: { 'Content-Encoding': 'gzip' } };
  };
}

/** Whether a request takes gzip. RFC 9110, section 12.5.3. */
export function takesGzip(acceptEncoding: string | undefined): boolean {
  let anyOther = false;
  for (const range of acceptEncoding?.split(',') ?? []) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const isTaken = q === undefined || Number(q) > 0;
    if (name === 'gzip' || name === 'x-gzip') return isTaken;
    if (name === '*') anyOther = isTaken;
  }
  return anyOther;
}

function createPlaces({ maxAtOnce, maxWaiting, maxWaitMs }: SendLimits) {
  const waiting: ((isFree: boolean) => void)[] = [];
  let taken = 0;
  return {
    /** False when there was none in time. */
    take(): Promise<boolean> | boolean {
      if (taken < maxAtOnce) {
        taken += 1;
        return true;
      }
      if (waiting.length >= maxWaiting) return false;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(settle), 1);
        resolve(false);
      }, maxWaitMs);
      const settle = (isFree: boolean) => {
        clearTimeout(timer);
        resolve(isFree);
      };
      waiting.push(settle);
      return promise;
    },
    /** Hands the place to the one that waits longest. */
    free(): void {
      const next = waiting.shift();
      if (next === undefined) taken -= 1;
      else next(true);
    },
  };
}

/** `release` is called at the end, and when the client leaves or takes too little. */
function toStream(
  text: OpenFile,
  release: () => void,
  { leastBytes, periodMs }: SendLimits,
): ReadableStream<Uint8Array> {
  let sent = 0;
  let wanted = 0;
  let timer: NodeJS.Timeout | undefined;
  const finish = () => {
    clearInterval(timer);
    release();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        timer = setInterval(() => {
          if (sent >= wanted + leastBytes) {
            wanted = sent;
            return;
          }
          finish();
          controller.error(new Error('the client reads too slowly'));
        }, periodMs);
        timer.unref();
      },
      async pull(controller) {
        try {
          const slice = await text.next();
          if (slice === undefined) {
            finish();
            controller.close();
            return;
          }
          sent += slice.length;
          controller.enqueue(slice);
        } catch (error) {
          finish();
          throw error;
        }
      },
      cancel: finish,
    },
    { highWaterMark: 0 },
  );
}

function pack(plain: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const gzip = createGzip({ level: GZIP_LEVEL });
  const source = Readable.fromWeb(plain as Parameters<typeof Readable.fromWeb>[0]);
  source.once('error', (error) => gzip.destroy(error));
  gzip.once('close', () => source.destroy());
  return Readable.toWeb(source.pipe(gzip)) as ReadableStream<Uint8Array>;
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
