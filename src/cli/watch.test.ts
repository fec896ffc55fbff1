import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LiveStats } from '../live/live.ts';
import type { Io } from './command.ts';
import { parseEvents, readEvents, type SentEvent } from './event-source.ts';
import { main } from './main.ts';
import { createTestIo } from './test-io.case.ts';
import { screen } from './top-screen.ts';

const RATES = {
  batches: 12,
  refusedBatches: 3,
  failedBatches: 0,
  bytes: 1_536_000,
  accepted: 12_345.6,
  stored: 12_345.6,
  rejected: 2,
  deadLettered: 0,
  duplicate: 0,
};
const STATS: LiveStats = {
  time: Date.parse('2026-01-01T10:00:00Z'),
  uptimeSeconds: 3_725,
  rates: RATES,
  totals: { ...RATES, accepted: 1_000_000 },
  latency: { p50: 0.0042, p99: 1.5 },
  sync: null,
  inFlightRecords: 7,
  inFlightBytes: 2_048,
  openFiles: 24,
  streams: [],
  recordLatency: null,
  kinds: [],
  inputs: [],
  dropped: 0,
  queue: null,
};
const QUEUE = {
  up: false,
  lagMessages: 4_321,
  lagSeconds: 2,
  breaker: 'open',
  spoolBytes: 3 * 1024 ** 2,
  spoolBatches: 9,
  spoolAgeSeconds: 1,
};

type Answer = (request: IncomingMessage, response: ServerResponse, number: number) => void;

/** A service that answers as the test says; gives its URL. */
async function serve(answer: Answer): Promise<string> {
  let number = 0;
  const server = createServer((request, response) => answer(request, response, ++number));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const event = (name: string, data: unknown) => {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return `event: ${name}\ndata: ${text.replaceAll('\n', '\ndata: ')}\n\n`;
};

async function run(
  args: readonly string[],
  options: { readonly terminal?: boolean; readonly rows?: number; readonly env?: Record<string, string> } = {},
) {
  const { io, stdout, stderr } = createTestIo({ env: options.env ?? {} });
  if (options.terminal === true) Object.assign(io.stdout, { isTTY: true, columns: 70, rows: options.rows ?? 50 });
  const code = await main(args, io);
  return { code, stdout: stdout(), stderr: stderr() };
}

describe('the screen of top', () => {
  const about = { origin: 'here', refusals: [], columns: 80, rows: 60 };
  const stream = (name: string, stored: number) => ({
    name,
    rates: { stored: stored / 10, bytes: 1 },
    totals: { stored, bytes: 2 },
  });
  const rowsOf = (...streams: LiveStats['streams']) => screen({ ...STATS, streams }, about).map((line) => line.trim());

  test('has a row for each stream, once two of them have records', () => {
    const rows = rowsOf(stream('access', 12_000), stream('events', 50), stream('silent', 0));
    const at = rows.findIndex((row) => row.startsWith('stored by'));
    expect(rows.slice(at + 1).map((row) => row.split(/ +/))).toEqual([
      ['access', '1,200', '12,000'],
      ['events', '5', '50'],
    ]);
    expect(rowsOf(stream('access', 12_000), stream('events', 0)).join()).not.toContain('stored by');
  });

  test('cuts the name of a stream that is too long, and keeps the columns', () => {
    const rows = screen({ ...STATS, streams: [stream('a'.repeat(63), 1), stream('b', 1)] }, about);
    expect(rows.find((row) => row.includes('aaa'))?.length).toBe(rows.find((row) => / b /.test(row))?.length);
  });
});

describe('top', () => {
  test('prints a line a second, under a header, where there is no terminal', async () => {
    const url = await serve((_, response) => response.write(event('stats', STATS).repeat(3)));
    const { code, stdout, stderr } = await run(['top', '--url', url, '-n', '3']);
    expect([code, stderr]).toEqual([0, '']);
    const [header, ...lines] = stdout.trimEnd().split('\n');
    expect(header).toMatch(/^ *time +accepted\/s +rejected\/s .*in flight$/);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/ 12,346 +2 +12 +3 +0 +1\.5 MiB +4\.20 ms +1\.50 s +- +7$/);
  });

  test('redraws its screen on a terminal, no wider than that', async () => {
    const refusal = {
      time: STATS.time,
      status: 400,
      reason: 'record 0 \u001b[31mmissing path',
      records: 5,
      requestId: 'x',
    };
    const url = await serve((_, response) =>
      response.write(event('stats', STATS) + event('refusal', refusal) + event('stats', { ...STATS, queue: QUEUE })),
    );
    const { stdout } = await run(['top', '--url', url, '--count', '2'], { terminal: true });
    const [first = '', second = ''] = stdout.split('\u001b[0J');
    expect(first).toContain('up 1h 2m');
    expect(first).toMatch(/accepted +12,346 +1,000,000\n/);
    expect(first).not.toContain('breaker');
    const height = first.split('\n').length - 1;
    expect(first.endsWith(`\u001b[${height}A`)).toBe(true);
    expect(second).toMatch(/lag +4,321 msg +2\.0 s\n/);
    expect(second).toMatch(/broker +unavailable +breaker open\n/);
    expect(second).toContain('400  record 0 \\u001b[31mmissing path (5 records)');
    for (const line of second.split('\n')) expect(line.length).toBeLessThan(70);
  });

  test('draws no more than the terminal has rows, so that it can be redrawn', async () => {
    const refusal = { time: STATS.time, status: 400, reason: 'no', requestId: 'x' };
    const stats = event('stats', { ...STATS, queue: QUEUE });
    const url = await serve((_, response) => response.write(event('refusal', refusal).repeat(9) + stats.repeat(2)));
    const { stdout } = await run(['top', '--url', url, '-n', '2'], { terminal: true, rows: 24 });
    const [first = ''] = stdout.split('\u001b[23A\u001b[0J');
    expect(first.split('\n')).toHaveLength(24);
    expect(first).toMatch(/spool +9 batches +3\.0 MiB\n +last refusals/);
  });

  test.each([true, false])('lets nothing that the service says steer a terminal (terminal: %s)', async (terminal) => {
    const queue = { ...QUEUE, breaker: '\u009b2Jopen\u202e' };
    const url = await serve((_, response) => response.write(event('stats', { ...STATS, queue })));
    const { stdout } = await run(['top', '--url', url, '-n', '1'], { terminal });
    expect(stdout).toContain('\\u009b2Jopen\\u202e');
    expect(stdout).not.toMatch(/[\u007f-\u009f\u202e]/);
  });

  test('does not fall over events that it does not know', async () => {
    const url = await serve((_, response) =>
      response.write(`${event('stats', 'null')}${event('refusal', '{')}${event('news', '1')}${event('stats', STATS)}`),
    );
    expect((await run(['top', '--url', url, '-n', '1'])).stdout).toContain('12,346');
  });
});

describe('tail', () => {
  test('prints records as they are stored, and asks for what is wanted', async () => {
    let asked = '';
    const url = await serve((request, response) => {
      asked = request.url ?? '';
      response.write(
        event('records', '{"path":"/a"}\n{"path":"/b\u202e"}') +
          event('left-out', '1234') +
          event('records', '{"c":1}\n{"d":1}'),
      );
    });
    const flags = ['--path', '/a b', '--user-agent', 'bot', '--match', 'status=500'];
    const { code, stdout, stderr } = await run(['tail', '--url', `${url}/base/`, ...flags, '-n', '3']);
    expect([code, stdout]).toEqual([0, '{"path":"/a"}\n{"path":"/b\\u202e"}\n{"c":1}\n']);
    expect(stderr).toBe('logforge tail: 1,234 records left out here\n');
    expect(asked).toBe('/base/events/tail?path=%2Fa+b&userAgent=bot&q=status%3D500');
  });

  test.each([
    true,
    false,
  ])('lets no record steer a terminal, also one behind a pipe (terminal: %s)', async (terminal) => {
    const line = '{"path":"\u009b2J\u202e\u007f\u200b\u{e0041}"}';
    const url = await serve((_, response) => response.write(event('records', line)));
    const { stdout } = await run(['tail', '--url', url, '-n', '1'], { terminal });
    expect(stdout).toBe('{"path":"\\u009b2J\\u202e\\u007f\\u200b\\udb40\\udc41"}\n');
    expect(JSON.parse(stdout)).toEqual(JSON.parse(line));
  });

  test('sends the key', async () => {
    const keys: unknown[] = [];
    const url = await serve((request, response) => {
      keys.push(request.headers.authorization);
      response.write(event('records', '{}'));
    });
    await run(['tail', '--url', url, '-n', '1'], { env: { LOGFORGE_API_KEY: 'from-env' } });
    await run(['tail', '--url', url, '-n', '1', '--api-key', 'given'], { env: { LOGFORGE_API_KEY: 'from-env' } });
    expect(keys).toEqual(['Bearer from-env', 'Bearer given']);
  });

  test('waits with a reader that does not read', async () => {
    const line = `{"path":"/${'x'.repeat(10_000)}"}`;
    let sent = 0;
    const url = await serve((_, response) => {
      const push = () => {
        while (response.write(event('records', line)) && sent < 5_000) sent += 1;
      };
      response.on('drain', push);
      push();
    });
    const slow = new PassThrough();
    const { io } = createTestIo();
    const running = main(['tail', '--url', url, '-n', '2000'], { ...io, stdout: slow } satisfies Io);
    const begun = await settled(() => sent);
    // What is not read here stays with the service and the kernel, not in our memory.
    expect(begun).toBeLessThan(4_000);
    slow.resume();
    expect(await running).toBe(0);
  });
});

/** The value when it has not changed for a while. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1; ; ) {
    if (read() === last && last > 0) return last;
    last = read();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

describe('both', () => {
  test.each([['top'], ['tail']])('%s says when there is no service, with status 1', async (command) => {
    const { code, stderr } = await run([command, '--url', 'http://127.0.0.1:1']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^logforge ${command}: cannot read events of url=http://127.0.0.1:1: .*ECONNREFUSED`),
    );
  });

  test.each([['top'], ['tail']])('%s tells why it is refused, with status 1', async (command) => {
    const url = await serve((_, response) => {
      response.writeHead(401, { 'Content-Type': 'application/problem+json' });
      response.end('{"title":"x","detail":"the request has no \\"key\\""}');
    });
    const { code, stderr } = await run([command, '--url', url]);
    expect([code, stderr]).toEqual([
      1,
      `logforge ${command}: cannot read events of url=${url}: the service answered 401: the request has no "key"\n`,
    ]);
  });

  test.each([
    [['top', '--url', 'ftp://x'], '--url must be an address such as http://127.0.0.1:8082, got "ftp://x"'],
    [['tail', '--url', 'nonsense'], '--url must be an address'],
    [['top', '-n', '0'], '--count must be a whole number from 1'],
    [['tail', 'extra'], 'unexpected argument "extra"'],
  ])('%j is a usage error', async (args, message) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('readEvents', () => {
  async function take(url: string, count: number) {
    const events: SentEvent[] = [];
    const notes: string[] = [];
    const stream = readEvents({ url: new URL(url), retryMs: 5, notify: (text) => void notes.push(text) });
    for await (const one of stream) if (events.push(one) === count) break;
    return { events, notes };
  }

  test('takes a lost stream up again, and says so once', async () => {
    const url = await serve((_, response, number) => {
      if (number === 2 || number === 3) response.writeHead(503).end('{"detail":"the service is shutting down"}');
      else if (number === 4) response.destroy();
      else response.end(event('n', String(number)));
    });
    const { events, notes } = await take(url, 3);
    expect(events.map(({ data }) => data)).toEqual(['1', '5', '6']);
    expect(notes).toEqual([
      `lost ${url}: the service ended the stream; trying again`,
      `connected again to ${url}`,
      `lost ${url}: the service ended the stream; trying again`,
      `connected again to ${url}`,
    ]);
  });

  test('ends when the service will not have it back', async () => {
    const url = await serve((_, response, number) => {
      if (number === 1) response.end(event('n', '1'));
      else response.writeHead(401).end('no problem');
    });
    await expect(take(url, 2)).rejects.toThrow(`cannot read events of url=${url}: the service answered 401`);
  });

  test('ends when told to', async () => {
    const url = await serve((_, response) => response.write(event('n', '1')));
    const abort = new AbortController();
    const events: SentEvent[] = [];
    const { signal } = abort;
    for await (const one of readEvents({ url: new URL(url), signal, notify: () => undefined })) {
      events.push(one);
      abort.abort();
    }
    expect(events).toHaveLength(1);
  });

  test('lets go of the connection when nobody wants more', async () => {
    let closed = false;
    const url = await serve((request, response) => {
      request.socket.on('close', () => {
        closed = true;
      });
      response.write(event('n', '1'));
    });
    await take(url, 1);
    await expect.poll(() => closed).toBe(true);
  });
});

test('events are found however the bytes are cut', async () => {
  const text = `retry: 2000\n\n:\n\nevent: a\ndata: é\ndata: \ndata: y\n\ndata: z\n\n${event('b', '{}')}event: cut`;
  const bytes = Buffer.from(text);
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const stream = new PassThrough();
    for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
    stream.end();
    const events: SentEvent[] = [];
    for await (const one of parseEvents(stream)) events.push(one);
    expect(events).toEqual([
      { event: 'a', data: 'é\n\ny' },
      { event: 'message', data: 'z' },
      { event: 'b', data: '{}' },
    ]);
  }
});
