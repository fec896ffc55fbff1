import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { datum, EVENT } from '../support/avro-bodies.ts';
import { logEntry } from '../support/protobuf-messages.ts';
import { makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

/* What older programs read of a service: GET /stats, /metrics as JSON, and the line of figures in the log. */

let service: Service;
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

async function start(env: Readonly<Record<string, string>>): Promise<void> {
  const dirs = await makeDirs();
  const config = join(dirs.root, 'config.yaml');
  await writeFile(
    config,
    'inputs:\n  - {name: lines, type: tcp, addr: "127.0.0.1:0", format: auto}\nlogging: {stats: 1s}\n',
  );
  service = await startService({
    dirs,
    args: ['--config', config],
    env: { LOGFORGE_AGGREGATION_ENABLED: 'false', ...env },
  });
}

const event = (message: string) =>
  `{"timestamp":"2015-05-17T10:00:00Z","level":"INFO","message":"${message}","service":"s"}`;

function post(type: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${service.url}/logs/events`, {
    method: 'POST',
    headers: { 'Content-Type': type, ...headers },
    body: new Uint8Array(Buffer.from(body)),
  });
}

async function stats(
  path = '/stats',
): Promise<Record<string, unknown> & { readonly samples: Readonly<Record<string, string[]>> }> {
  const answer = await fetch(`${service.url}${path}`, { headers: { Accept: 'application/json' } });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
  return (await answer.json()) as Awaited<ReturnType<typeof stats>>;
}

/** The first raw one has no time, level and service of its own. */
const TEXTS = [
  'a raw line',
  '2025-07-02T17:00:01Z [ERROR] [api] journaling failed',
  '<11>Jul  2 17:00:01 host kernel: disk full',
  '{"__REALTIME_TIMESTAMP":"1751475601000000","MESSAGE":"from the journal","PRIORITY":"6","SYSLOG_IDENTIFIER":"j"}',
];
const KEYS =
  'logs_per_sec mb_per_sec latency_us queue_length file_rotations dropped json proto avro raw syslog journald samples';
const LINE =
  /"\[METRIC\] Logs\/sec: \d+, MB\/s: \d+\.\d\d, Latency: \d+\.\d\dµs, Queue: \d+ \(max: \d+\), Rotations: 0, Threads: [1-9]\d*, FileSize: \d+\.\d\dMB, Dropped: 0"/;

describe.each(['1', '2'])('with %s threads', (threads) => {
  it('counts what came over HTTP and over inputs, at once, and shows the last lines', async () => {
    await start({ LOGFORGE_SERVER_THREADS: threads });
    expect(Object.keys(await stats()).join(' ')).toBe(KEYS);
    expect((await post('application/json', `[${event('a')},${event('b')}]`)).status).toBe(202);
    expect((await stats()).json).toBe(2);
    expect((await stats()).samples.json).toEqual([event('b')]);
    const header = 'timestamp,level,message,service';
    const csv = `${header}\n2015-05-17T10:00:00Z,INFO,c,s\nyesterday,INFO,c,s\n`;
    expect((await post('text/csv', csv)).status).toBe(400);
    for (let i = 0; i < 2; i++)
      expect((await post('application/x-ndjson', `${event('k')}\n`, { 'Idempotency-Key': 'k' })).status).toBe(202);
    expect((await stats()).json).toBe(3);

    const where = await eventually(() => {
      const match = /"input":"lines","where":"([^"]+)"/.exec(service.logs());
      expect(match).not.toBeNull();
      return match?.[1] ?? '';
    });
    const socket = connect({ host: '127.0.0.1', port: Number(where.split(':')[1]) });
    await once(socket, 'connect');
    socket.end([event('over tcp'), '{broken', ...TEXTS, ''].join('\n'));
    await eventually(async () => expect((await stats()).journald).toBe(1));
    const shown = (await stats()).samples;
    expect(shown.json?.[0]).toBe(event('over tcp'));
    expect(
      [shown.raw, shown.syslog, shown.journald].map((lines) => lines?.map((line) => JSON.parse(line).message)),
    ).toEqual([['journaling failed'], ['disk full'], ['from the journal']]);
    expect((await post('avro/binary', datum(EVENT))).status).toBe(202);
    expect((await post('application/x-protobuf', logEntry({ service: 'p' }))).status).toBe(202);
    const { json, proto, avro, raw, syslog, samples } = await stats('/metrics');
    expect({ json, proto, avro, raw, syslog }).toEqual({ json: 4, proto: 1, avro: 1, raw: 2, syslog: 1 });
    expect(samples).toMatchObject({ avro: [JSON.stringify(EVENT)], proto: [expect.stringContaining('"service":"p"')] });
    const text = await (await fetch(`${service.url}/metrics`)).text();
    expect(text).toMatch(/^logforge_kind_records_total\{kind="json"\} 4$/m);
  });

  it('has the rates of the last second while records come, and logs them as one line', async () => {
    await start({ LOGFORGE_SERVER_THREADS: threads });
    const line = `${event('x'.repeat(10_000))}\n`;
    let sent = 0;
    await eventually(async () => {
      for (let i = 0; i < 5; i++, sent += 10) await post('application/x-ndjson', line.repeat(10));
      const { logs_per_sec, mb_per_sec, latency_us } = await stats();
      expect(Math.min(Number(logs_per_sec), Number(mb_per_sec), Number(latency_us))).toBeGreaterThan(0);
    });
    const { json, latency_us } = await stats();
    expect(json).toBe(sent);
    // Less than a second, and more than the system calls of a commit take.
    expect(latency_us).toBeLessThan(1_000_000);
    expect(latency_us).toBeGreaterThan(20);
    await eventually(() => expect(service.logs()).toMatch(LINE));
    expect(service.logs()).toMatch(/"logsPerSec":[1-9]\d*,"mbPerSec":[\d.]+,"latencyUs":[\d.]+/);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });
});
