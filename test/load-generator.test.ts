import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { buildRequest, runLoad } from '../bench/load.ts';
import { formatsOf, makeRequests } from '../bench/workload.ts';
import { createDecoders } from '../src/decode/decoders.ts';
import { runToEnd } from '../src/decode/pace.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../src/model/stream.ts';
import { DECODE_OPTIONS } from './support/decode-options.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A service that answers as told; by default at once, with 202. */
async function serve(
  answer: (response: ServerResponse, count: number) => void,
): Promise<{ port: number; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      bodies.push(Buffer.concat(parts).toString());
      answer(response, bodies.length);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, bodies };
}

function accept(response: ServerResponse, body = '{"accepted":1}'): void {
  response.writeHead(202, { 'Content-Length': body.length }).end(body);
}

const requests = ['one', 'two', 'three'].map((body) =>
  buildRequest(Buffer.from(body), { path: '/logs', contentType: 'text/plain' }),
);
const load = { connections: 2, pipelining: 1, warmUpMs: 50, durationMs: 200 };

describe('the load generator', () => {
  it('sends the requests in turn and counts what is accepted within the time', async () => {
    const { port, bodies } = await serve((response) => accept(response));
    const result = await runLoad(requests, { ...load, port });
    expect(new Set(bodies)).toEqual(new Set(['one', 'two', 'three']));
    expect(result.accepted).toBeGreaterThan(10);
    expect(result.accepted).toBeLessThanOrEqual(bodies.length);
    expect(result.otherAnswers).toEqual({});
    expect(result.seconds).toBeGreaterThanOrEqual(0.199);
    expect(result.bytes / result.accepted).toBeGreaterThan(requests[0]?.length ?? 0);
  });

  it('keeps requests outstanding, and reads answers of any length, in any pieces', async () => {
    const { port } = await serve((response, count) => {
      const body = JSON.stringify({ accepted: 10 ** (count % 7) });
      response.writeHead(202, { 'Content-Length': body.length }).write(body.slice(0, 3));
      setImmediate(() => response.end(body.slice(3)));
    });
    const result = await runLoad(requests, { ...load, port, pipelining: 4 });
    expect(result.accepted).toBeGreaterThan(10);
    expect(result.otherAnswers).toEqual({});
  });

  it('tells refusals apart from what was accepted', async () => {
    const { port } = await serve((response) => response.writeHead(503, { 'Content-Length': 0 }).end());
    const result = await runLoad(requests, { ...load, port });
    expect(result.accepted).toBe(0);
    expect(Object.keys(result.otherAnswers)).toEqual(['503']);
  });

  it('keeps its schedule while the service stalls, and counts the waiting as latency', async () => {
    let first: number | undefined;
    const { port } = await serve((response) => {
      first ??= performance.now();
      const sinceFirst = performance.now() - first;
      const isStalled = sinceFirst > 50 && sinceFirst < 350;
      setTimeout(() => accept(response), isStalled ? 350 - sinceFirst : 0);
    });
    const schedule = { port, pipelining: 200, durationMs: 1000, requestsPerSecond: 200 };
    const result = await runLoad(requests, { ...load, ...schedule, warmUpMs: 0 });
    expect(result.accepted).toBeGreaterThanOrEqual(190);
    expect(result.accepted).toBeLessThanOrEqual(200 * result.seconds + 1);
    // A third of the requests fell due while nothing was answered: a loop that waits would have sent two of them.
    expect(result.latencyMs.p95).toBeGreaterThan(200);
    expect(result.latencyMs.max).toBeGreaterThan(250);
  });

  it('fails when the service closes its connections', async () => {
    const { port } = await serve((response) => void response.socket?.destroy());
    await expect(runLoad(requests, { ...load, port })).rejects.toThrow(/closed a connection|ECONNRESET/);
  });
});

describe('the workload', () => {
  it.each(['access', 'events'] as const)('makes records of %s that the service takes, in every format', (stream) => {
    const decoders = createDecoders(stream === 'access' ? ACCESS_STREAM : EVENTS_STREAM);
    for (const format of formatsOf(stream)) {
      const [request] = makeRequests({ stream, format, encoding: 'plain', batch: 1000, hours: 1 });
      const body = request?.subarray(request.indexOf('\r\n\r\n') + 4) ?? Buffer.alloc(0);
      const { accepted, batch } = runToEnd(
        decoders[format === 'protobuf' ? 'protobuf-delimited' : format](body, DECODE_OPTIONS),
      );
      expect(request?.toString('latin1', 0, 200)).toContain(format === 'avro' ? 'avro/binary' : format);
      expect([accepted, ...new Set(batch.map((chunk) => chunk.stream))]).toEqual([1000, stream]);
    }
  });

  it.each([
    ['access', 'json', 'plain', 100],
    ['access', 'ndjson', 'gzip', 10],
    ['access', 'csv', 'zstd', 1000],
    ['events', 'json', 'gzip', 100],
    ['events', 'protobuf', 'plain', 10],
  ] as const)('makes whole requests for %s of %s, %s, %i records', (stream, format, encoding, batch) => {
    const made = makeRequests({ stream, format, encoding, batch, hours: 84 });
    expect(made.length).toBeGreaterThan(10);
    const head = made[0]?.toString('latin1').split('\r\n\r\n')[0] ?? '';
    expect(head).toContain(`POST ${stream === 'access' ? '/logs' : '/logs/events'} HTTP/1.1`);
    expect(head.includes('Content-Encoding')).toBe(encoding !== 'plain');
    expect(Number(/Content-Length: (\d+)/.exec(head)?.[1])).toBe((made[0]?.length ?? 0) - head.length - 4);
  });
});
