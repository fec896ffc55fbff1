import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { toNdjson } from '../support/access-records.ts';
import { createClient } from '../support/client.ts';
import { makeEvents } from '../support/event-records.ts';
import { runLogforge } from '../support/run.ts';
import { makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { listVisible } from '../support/storage.ts';

/* The commands and GET /streams, with records of three streams in a real service. */

vi.setConfig({ testTimeout: 120_000 });

const CONFIG = `streams:
  - name: orders
    required: [id, state]
    countBy: [state]
auth: {enabled: true, keys: [sender], readKeys: [reader]}
`;
const SENDER = { 'X-API-Key': 'sender' };
const READER = { 'X-API-Key': 'reader' };
const NDJSON = { ...SENDER, 'Content-Type': 'application/x-ndjson' };
const EVENT = '{"timestamp":"2025-11-22T15:00:00Z","level":"warning","message":"hello","service":"auth"}';
const ORDER = '{"timestamp":"2025-11-22T15:00:00Z","id":"7","state":"paid","total":1.50}';
const ACCESS = '{"timestamp":"2025-11-22T15:00:00Z","path":"/","userAgent":"a"}';

const started: Service[] = [];

async function start(env: Record<string, string> = {}): Promise<Service> {
  const dirs = await makeDirs();
  const config = join(dirs.root, 'config.yaml');
  await writeFile(config, CONFIG);
  const service = await startService({ dirs, args: ['--config', config], env });
  started.push(service);
  return service;
}

afterEach(async () => {
  for (const service of started) await service.stop('SIGKILL');
  for (const { dirs } of started.splice(0)) await removeDirs(dirs);
});

interface Listed {
  readonly name: string;
  readonly fields: readonly string[];
  readonly schemas: readonly { readonly subject: string }[];
  readonly records: Readonly<Record<string, number>>;
  readonly bytes: number;
}

async function listStreams({ url }: Service): Promise<Readonly<Record<string, Listed>>> {
  const answer = await fetch(`${url}/streams`, { headers: READER });
  expect(answer.status).toBe(200);
  const { streams } = (await answer.json()) as { streams: readonly Listed[] };
  return Object.fromEntries(streams.map((stream) => [stream.name, stream]));
}

async function readHour({ dirs }: Service, folder: string): Promise<string> {
  return readFile(join(dirs.logs, folder, '2025-11-22', '15.log.json'), 'utf8');
}

describe.each(['1', '2'])('with %s threads', (threads) => {
  it('GET /streams shows fields, schemas, and at once what was stored of each stream', async () => {
    const service = await start({ LOGFORGE_SERVER_THREADS: threads });
    const clients = Array.from({ length: 8 }, () => createClient(service.port, { connections: 1 }));
    for (const client of clients) {
      expect((await client.post(`[${EVENT},${EVENT}]`, SENDER, '/logs/events')).status).toBe(202);
      expect((await client.post(`${ORDER}\n{}\n`, NDJSON, '/logs/orders?invalid=skip')).status).toBe(202);
      expect((await client.post('[{"level":"INFO"}]', SENDER, '/logs/events')).status).toBe(400);
    }
    const { access, events, orders, ...others } = await listStreams(service);
    expect(others).toEqual({});
    expect(access).toMatchObject({ fields: ['timestamp', 'path', 'userAgent'], bytes: 0, records: { stored: 0 } });
    expect(events).toMatchObject({
      fields: ['timestamp', 'level', 'message', 'service'],
      levelField: 'level',
      countBy: ['level', 'service'],
      records: { stored: 16, rejected: 8, deadLettered: 0, duplicate: 0 },
      bytes: (await readHour(service, 'events')).length,
    });
    expect(events?.schemas.map(({ subject }) => subject)).toEqual(['events-protobuf', 'events-avro']);
    expect(orders).toMatchObject({
      fields: ['timestamp', 'id', 'state'],
      levelField: null,
      countBy: ['state'],
      schemas: [],
      records: { stored: 8, rejected: 0, deadLettered: 8, duplicate: 0 },
      bytes: (await readHour(service, 'orders')).length,
    });
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toMatch(/^logforge_stream_records_total\{stream="orders",outcome="dead_lettered"\} 8$/m);
    expect(metrics).toMatch(/^logforge_records_unaccounted 0$/m);
    for (const client of clients) client.close();
  });

  it('tail --stream shows that stream alone', async () => {
    const service = await start({ LOGFORGE_SERVER_THREADS: threads });
    const client = createClient(service.port);
    const url = ['--url', service.url, '--api-key', 'reader'];
    const tail = runLogforge(['tail', ...url, '--stream', 'events', '-n', '2']);
    let isDone = false;
    void tail.then(() => {
      isDone = true;
    });
    // A tail shows what comes after it was opened, so records are sent until it has seen two.
    await expect
      .poll(
        async () => {
          await client.post(`[${ACCESS}]`, SENDER);
          await client.post(`[${ORDER}]`, SENDER, '/logs/orders');
          await client.post(`[${EVENT}]`, SENDER, '/logs/events');
          return isDone;
        },
        { timeout: 30_000 },
      )
      .toBe(true);
    client.close();
    expect((await tail).stdout).toBe(`${EVENT.replace('warning', 'WARN')}\n`.repeat(2));
    const unknown = await runLogforge(['tail', ...url, '--stream', 'event']);
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('did you mean events?')]);
    const sender = await runLogforge(['tail', '--url', service.url, '--api-key', 'sender']);
    expect([sender.code, sender.stderr]).toEqual([1, expect.stringContaining('this API key may not read')]);
  });
});

describe('logforge replay --stream', () => {
  const replay = ({ url }: Service, ...args: string[]) =>
    runLogforge(['replay', '--url', url, '--api-key', 'sender', '--batch', '100', ...args]);

  it('sends a file of events to events, once, in every format, and the same file to another stream too', async () => {
    const service = await start();
    const { root } = service.dirs;
    const events = makeEvents(1_000, { lastHour: Date.parse('2025-11-22T15:00:00Z') / 3_600_000 });
    const file = join(root, 'app.ndjson');
    await writeFile(file, `${toNdjson(events)}{"level":"INFO"}\nnot json\n`);
    const first = await replay(service, '--stream', 'events', file);
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining('1,000 records')]);
    expect(first.stderr).toContain('missing timestamp');
    const again = await replay(service, '--stream', 'events', file);
    expect(again.code).toBe(0);
    const stored = (await readHour(service, 'events')).trimEnd().split('\n');
    expect(stored.map((line) => JSON.parse(line).message)).toEqual(events.map(({ message }) => message));
    expect((await listStreams(service)).events?.records).toMatchObject({ stored: 1_000, duplicate: 1_000 });

    const checkpoint = ['--checkpoint', join(root, 'checkpoint.json')];
    // To the same path in the checkpoint, and with the same bytes: a stream has positions and keys of its own.
    const orders = join(root, 'orders.csv');
    await writeFile(orders, 'timestamp,state,id\n2025-11-22T15:00:00Z,paid,1\n2025-11-22T15:00:01Z,,2\n');
    const csv = await replay(service, '--stream', 'orders', '--max-rejects', '50', ...checkpoint, orders);
    expect(csv.code).toBe(0);
    expect(await readHour(service, 'orders')).toBe('{"timestamp":"2025-11-22T15:00:00Z","id":"1","state":"paid"}\n');
    const both = join(root, 'both.json');
    // As it is stored, so that both streams are sent the same bytes.
    const record = EVENT.replace('warning', 'WARN').replace('}', ',"id":"9","state":"new"}');
    await writeFile(both, `[${record}]`);
    for (const stream of ['events', 'orders']) {
      expect((await replay(service, '--stream', stream, ...checkpoint, both)).code).toBe(0);
    }
    const streams = await listStreams(service);
    expect([streams.events?.records.stored, streams.orders?.records.stored]).toEqual([1_001, 2]);
  });

  it.each([
    [['--stream', '../x'], 2, '--stream must be the name of a stream'],
    [['--stream', 'events', '--format', 'combined'], 2, '--format combined has no events'],
    [['--stream', 'event'], 1, 'there is no stream "event"; did you mean events?'],
  ])('%j ends with %i', async (args, code, text) => {
    const service = await start();
    const file = join(service.dirs.root, 'one.ndjson');
    await writeFile(file, `${EVENT}\n`);
    const run = await replay(service, ...args, file);
    expect([run.code, run.stderr]).toEqual([code, expect.stringContaining(text)]);
    expect(await listVisible(service.dirs.logs)).toEqual([]);
  });
});

describe('logforge dlq', () => {
  it('sends each letter back to its stream, and one of a stream that is gone stays', async () => {
    const service = await start();
    const { dirs, url } = service;
    const client = createClient(service.port);
    const late = EVENT.replace('"level":"warning",', '');
    await client.post(`${EVENT}\n${late}\n`, NDJSON, '/logs/events?invalid=skip');
    await client.post(`${ORDER}\n{"id":"8"}\n`, NDJSON, '/logs/orders?invalid=skip');
    client.close();
    const [day = ''] = await listVisible(dirs.dlq);
    const path = join(dirs.dlq, day);
    // The records are corrected by hand, and a letter comes from a stream that the configuration no longer has.
    const letters = await readFile(path, 'utf8');
    const corrected = letters
      .replace('"message":"hello"', '"level":"INFO","message":"hello"')
      .replace('{"id":"8"}', ORDER.replace('"7"', '"8"'));
    const gone = corrected.split('\n')[0]?.replace('"stream":"events"', '"stream":"old"');
    await writeFile(path, `${corrected}${gone}\n`);

    const flags = ['--dlq-dir', dirs.dlq];
    const rows = (await runLogforge(['dlq', 'list', ...flags, '--json'])).stdout.trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row).stream).sort()).toEqual(['events', 'old', 'orders']);
    const replay = (...args: string[]) =>
      runLogforge(['dlq', 'replay', '--url', url, '--api-key', 'sender', ...flags, ...args]);
    const one = await replay('--stream', 'orders');
    expect([one.code, one.stdout]).toEqual([0, expect.stringContaining('1 letter stored')]);
    const all = await replay();
    expect(all.code).toBe(1);
    expect(all.stdout).toContain('1 letter stored, 1 duplicate, 1 still invalid');
    expect(all.stderr).toContain('there is no stream "old"');
    expect((await readHour(service, 'events')).trimEnd().split('\n')).toHaveLength(2);
    expect((await readHour(service, 'orders')).trimEnd().split('\n')).toHaveLength(2);
  });
});
