import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { connect as connectTls } from 'node:tls';

/** One run of the load generator. All values are JSON, so that it can run in a separate process. */
export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  /** Requests that each connection keeps outstanding; with a rate, the limit. */
  readonly pipelining: number;
  /** Time before the measured time. Requests are sent as fast as answers come, and are not counted. */
  readonly warmUpMs: number;
  /** The time before is at least so long that so many bytes of requests are accepted. */
  readonly warmUpBytes?: number;
  readonly durationMs: number;
  /** Requests a second, on a fixed schedule that does not wait for answers. Absent: as fast as answers come. */
  readonly requestsPerSecond?: number;
  /** Polls for answers instead of sleeping: waking a virtual CPU would cost the service time. */
  readonly spins?: boolean;
  /** By TLS; the certificate is not checked. */
  readonly tls?: boolean;
}

export interface LoadResult {
  /** Requests answered 202 within the measured time. */
  readonly accepted: number;
  /** Answers other than 202, by status, the warm-up included. */
  readonly otherAnswers: Readonly<Record<string, number>>;
  /** Actual length of the measured time. */
  readonly seconds: number;
  /** Bytes of the requests that were accepted. */
  readonly bytes: number;
  /** From the send (with a rate: from the scheduled time of the send) to the end of the answer. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number };
  /** CPU seconds of the generator's process in the measured time. */
  readonly generatorCpuSeconds: number;
}

/** Points of the run at which the caller may measure the service. */
export interface LoadHooks {
  readonly onMeasureStart?: () => void;
  readonly onMeasureEnd?: () => void;
}

interface Connection {
  readonly socket: Socket;
  /** Times at which the outstanding requests were due, oldest first, in nanoseconds; a ring. */
  readonly due: Float64Array;
  readonly sizes: Uint32Array;
  head: number;
  outstanding: number;
  /** Length of the last whole answer, by which the next one is recognised; 0 before the first. */
  knownLength: number;
  rest: Buffer;
}

const READ_BUFFER_BYTES = 64 * 1024;
const LARGEST_LATENCY_NS = 60_000_000_000;

/**
 * Sends `requests`, which are made before, in turn to POST /logs over keep-alive connections. It is cheap on purpose, because
 * it shares the machine with the service. It writes whole requests and reads only the status and the length of answers.
 */
export async function runLoad(
  requests: readonly Buffer[],
  options: LoadOptions,
  hooks: LoadHooks = {},
): Promise<LoadResult> {
  const { warmUpMs, warmUpBytes = 0, durationMs, requestsPerSecond, spins = false } = options;
  const driver = await createDriver(requests, options);
  const stopSpinning = spins ? spin() : () => undefined;
  try {
    driver.loop(requestsPerSecond === undefined ? options.pipelining : 1);
    await driver.unlessFailed(sleep(warmUpMs));
    while (driver.acceptedBytes() < warmUpBytes) await driver.unlessFailed(sleep(10));
    if (requestsPerSecond !== undefined) await driver.rest();
    hooks.onMeasureStart?.();
    const cpuBefore = process.cpuUsage();
    const start = nowNs();
    driver.count(true);
    const stopSchedule = requestsPerSecond === undefined ? undefined : driver.schedule(requestsPerSecond);
    await driver.unlessFailed(sleep(durationMs)).finally(stopSchedule);
    // Up to the last answer. Otherwise answers that are late at the end of a schedule would not count as late.
    if (requestsPerSecond !== undefined) await driver.rest();
    driver.count(false);
    const seconds = (nowNs() - start) / 1e9;
    const cpu = process.cpuUsage(cpuBefore);
    hooks.onMeasureEnd?.();
    return { ...driver.result(), seconds, generatorCpuSeconds: (cpu.user + cpu.system) / 1e6 };
  } finally {
    stopSpinning();
    driver.close();
  }
}

/** Keeps the event loop from sleeping. Returns the function that stops it. */
function spin(): () => void {
  let isOver = false;
  const turn = () => {
    if (!isOver) setImmediate(turn);
  };
  turn();
  return () => {
    isOver = true;
  };
}

/** The connections, their requests and answers. */
async function createDriver(requests: readonly Buffer[], { port, connections, pipelining, tls = false }: LoadOptions) {
  const histogram = createHistogram({ lowest: 1000, highest: LARGEST_LATENCY_NS, figures: 3 });
  const otherAnswers: Record<string, number> = {};
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => {});
  let isLoop = false;
  let isCounted = false;
  let accepted = 0;
  let bytes = 0;
  let acceptedBytes = 0;
  let nextRequest = 0;

  const pool = await Promise.all(
    Array.from({ length: connections }, () => open({ port, tls, pipelining }, onAnswer, fail)),
  );

  function sendOne(connection: Connection, due: number): void {
    const request = requests[nextRequest] as Buffer;
    nextRequest = nextRequest + 1 === requests.length ? 0 : nextRequest + 1;
    const slot = (connection.head + connection.outstanding) % pipelining;
    connection.due[slot] = due;
    connection.sizes[slot] = request.length;
    connection.outstanding++;
    connection.socket.write(request);
  }

  function onAnswer(connection: Connection, status: string, now: number): void {
    const slot = connection.head;
    connection.head = (slot + 1) % pipelining;
    connection.outstanding--;
    if (status !== '202') otherAnswers[status] = (otherAnswers[status] ?? 0) + 1;
    else if (!isCounted) acceptedBytes += connection.sizes[slot] as number;
    else {
      accepted++;
      bytes += connection.sizes[slot] as number;
      recordLatency(histogram, now - (connection.due[slot] as number));
    }
    if (isLoop) sendOne(connection, now);
  }

  return {
    /** Sends `depth` requests on each connection, then one more for every answer. */
    loop(depth: number): void {
      isLoop = true;
      for (let i = 0; i < depth; i++) for (const connection of pool) sendOne(connection, nowNs());
    },
    schedule: (perSecond: number) => keepSchedule(pool, pipelining, perSecond, sendOne),
    /** Stops sending and waits for the outstanding answers. */
    async rest(): Promise<void> {
      isLoop = false;
      while (pool.some(({ outstanding }) => outstanding > 0)) await Promise.race([sleep(1), failed]);
    },
    count(isOn: boolean): void {
      isCounted = isOn;
    },
    /** Bytes of requests that were accepted and not counted. */
    acceptedBytes: () => acceptedBytes,
    unlessFailed: (wait: Promise<void>) => Promise.race([wait, failed]),
    result: () => ({ accepted, otherAnswers, bytes, latencyMs: readLatency(histogram) }),
    close(): void {
      isLoop = false;
      for (const { socket } of pool) socket.destroy();
    },
  };
}

function readLatency(histogram: RecordableHistogram): LoadResult['latencyMs'] {
  return {
    p50: histogram.percentile(50) / 1e6,
    p95: histogram.percentile(95) / 1e6,
    p99: histogram.percentile(99) / 1e6,
    max: histogram.max / 1e6,
  };
}

/** The bytes of one whole request. */
export function buildRequest(
  body: Buffer,
  {
    path,
    contentType,
    contentEncoding,
  }: { readonly path: string; readonly contentType: string; readonly contentEncoding?: string },
): Buffer {
  const encoding = contentEncoding === undefined ? '' : `Content-Encoding: ${contentEncoding}\r\n`;
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${contentType}\r\n${encoding}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

/**
 * Sends each request at its scheduled time, on the connection with the fewest outstanding requests. When all connections are
 * full, the request waits, and the wait counts as latency. Returns the function that stops it.
 */
function keepSchedule(
  pool: readonly Connection[],
  pipelining: number,
  requestsPerSecond: number,
  sendOne: (connection: Connection, due: number) => void,
): () => void {
  const start = nowNs();
  const interval = 1e9 / requestsPerSecond;
  let sent = 0;
  const timer = setInterval(() => {
    const now = nowNs();
    for (let due = start + sent * interval; due <= now; due = start + sent * interval) {
      const idlest = pool.reduce((best, connection) => (connection.outstanding < best.outstanding ? connection : best));
      if (idlest.outstanding === pipelining) return;
      sendOne(idlest, due);
      sent++;
    }
  }, 1);
  return () => clearInterval(timer);
}

async function open(
  { port, tls, pipelining }: { readonly port: number; readonly tls: boolean; readonly pipelining: number },
  onAnswer: (connection: Connection, status: string, now: number) => void,
  fail: (error: Error) => void,
): Promise<Connection> {
  const { promise: connected, resolve, reject } = Promise.withResolvers<void>();
  const options: TcpNetConnectOpts = {
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
      callback: (length, buffer) => {
        readAnswers(connection, Buffer.from(buffer.buffer, buffer.byteOffset, length), onAnswer);
        return true;
      },
    },
  };
  const socket = tls ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  const connection: Connection = {
    socket,
    due: new Float64Array(pipelining),
    sizes: new Uint32Array(pipelining),
    head: 0,
    outstanding: 0,
    knownLength: 0,
    rest: Buffer.alloc(0),
  };
  socket.on(tls ? 'secureConnect' : 'connect', resolve);
  socket.on('error', (error) => {
    reject(error);
    fail(error);
  });
  socket.on('close', () => fail(new Error('the service closed a connection')));
  await connected;
  return connection;
}

/** Cuts answers off the bytes that were read. In the common case, one answer as long as the last, the length is enough. */
function readAnswers(
  connection: Connection,
  read: Buffer,
  onAnswer: (connection: Connection, status: string, now: number) => void,
): void {
  const now = nowNs();
  if (connection.rest.length === 0 && read.length === connection.knownLength && is202(read)) {
    onAnswer(connection, '202', now);
    return;
  }
  let bytes = connection.rest.length === 0 ? read : Buffer.concat([connection.rest, read]);
  connection.socket.cork();
  for (;;) {
    const length = answerLength(bytes);
    if (length === undefined || length > bytes.length) break;
    connection.knownLength = length;
    onAnswer(connection, bytes.toString('latin1', 9, 12), now);
    bytes = bytes.subarray(length);
  }
  connection.socket.uncork();
  connection.rest = Buffer.from(bytes);
}

function is202(answer: Buffer): boolean {
  return answer[9] === 50 && answer[10] === 48 && answer[11] === 50;
}

/** Bytes of the first answer in `bytes`, head and body; undefined while its head is not whole. */
function answerLength(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const match = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (match === null) throw new Error(`cannot measure: an answer without Content-Length:\n${head}`);
  return headEnd + 4 + Number(match[1]);
}

function recordLatency(histogram: RecordableHistogram, ns: number): void {
  histogram.record(Math.min(Math.max(Math.round(ns), 1), LARGEST_LATENCY_NS));
}

function nowNs(): number {
  return performance.now() * 1e6;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
