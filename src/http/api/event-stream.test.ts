import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createEventStreams, type EventStream, eventText } from './event-stream.ts';

/** A server that answers every request with a stream. */
async function start(options: { beatMs?: number; stallMs?: number; bufferBytes?: number } = {}) {
  const { bufferBytes = 64 * 1024, ...times } = options;
  const opened: EventStream[] = [];
  const counts: number[] = [];
  const dropped: string[] = [];
  let closed = 0;
  const streams = createEventStreams({
    ...times,
    onDropped: (kind) => void dropped.push(kind),
    onCount: (_, count) => void counts.push(count),
  });
  const onClose = () => {
    closed += 1;
  };
  const server = createServer((_, response) => {
    opened.push(streams.open(response, { kind: 'tail', bufferBytes, onClose }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const connect = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, agent: false }, resolve);
      request.on('error', reject);
      onTestFinished(() => void request.destroy());
    });
  return { streams, opened, counts, dropped, closed: () => closed, connect };
}

async function read(response: IncomingMessage, until: string): Promise<string> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += part;
    if (text.includes(until)) break;
  }
  return text;
}

describe('an event stream', () => {
  test('begins at once, and ends for all clients when the streams close', async () => {
    const { connect, opened, counts, closed, streams } = await start();
    const response = await connect();
    expect(response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    expect(opened[0]?.send(eventText('news', 'one\ntwo'))).toBe(true);
    expect(streams.count('tail')).toBe(1);
    streams.close();
    expect(await read(response, 'never')).toBe('retry: 2000\n\nevent: news\ndata: one\ndata: two\n\n');
    await expect.poll(closed).toBe(1);
    expect([counts, streams.count('tail'), streams.count('stats')]).toEqual([[1, 0], 0, 0]);
  });

  test('sends a comment when it has no events', async () => {
    const { connect } = await start({ beatMs: 10 });
    expect(await read(await connect(), ':\n\n')).toContain(':\n\n');
  });

  test('is cut when its client has stopped reading, and keeps no more than its buffer until then', async () => {
    const { connect, opened, dropped, closed } = await start({ beatMs: 20, stallMs: 100 });
    const response = await connect();
    response.pause();
    const [stream] = opened;
    const text = eventText('much', 'x'.repeat(16 * 1024));
    // The kernel takes an unknown amount first.
    const fill = () => {
      while (stream?.send(text) === true);
      return closed();
    };
    await expect.poll(fill, { interval: 2, timeout: 20_000 }).toBe(1);
    expect(dropped).toEqual(['tail']);
  });

  test('stays open for a client that reads slowly', async () => {
    const { connect, opened, dropped, closed } = await start({ beatMs: 20, stallMs: 200 });
    const response = await connect();
    const [stream] = opened;
    const text = eventText('much', 'x'.repeat(16 * 1024));
    let refused = 0;
    let received = 0;
    response.on('data', (part: Buffer) => {
      received += part.length;
    });
    // Reads for a moment, pauses for a moment, for longer than stallMs in all.
    for (const end = performance.now() + 1_000; performance.now() < end; ) {
      while (stream?.send(text) === true);
      refused += 1;
      response.pause();
      await new Promise((resolve) => setTimeout(resolve, 20));
      response.resume();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(refused).toBeGreaterThan(5);
    expect(received).toBeGreaterThan(1024 * 1024);
    expect([dropped, closed()]).toEqual([[], 0]);
  });
});
