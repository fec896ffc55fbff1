import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findAccessLog } from '../support/access-log.ts';
import { body, countRecords, onceEach, RECORDS, sorted, startLoad } from '../support/batches.ts';
import { createClient, openSocket } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import type { Service } from '../support/service.ts';
import { eventually, readHourFiles, readRecords, readSummaries } from '../support/storage.ts';
import { useVersion2 } from '../support/use-version2.ts';
import { awaitStored, buryMembers, createStream, readMetric, type Stream, withAdmin } from '../support/version2.ts';

const version2 = useVersion2();
const { start } = version2;

async function restart(stream: Stream, service: Service, signal: NodeJS.Signals = 'SIGTERM'): Promise<Service> {
  const exit = await service.stop(signal);
  if (signal === 'SIGTERM') expect(exit).toEqual({ code: 0, signal: null });
  else await buryMembers(stream);
  return start(stream, { dirs: service.dirs });
}

describe.each(['kafkajs', 'platformatic'])('version 2 by %s', (client) => {
  const streamOf = (env: Record<string, string> = {}) =>
    createStream(version2.brokers, { LOGFORGE_KAFKA_CLIENT: client, ...env });

  it.each(['ndjson', 'record'])('replays an access log, once, with messages of the format %s', async (format) => {
    const stream = streamOf({ LOGFORGE_KAFKA_FORMAT: format });
    let service = await start(stream);
    const log = await findAccessLog(join(service.dirs.root, 'made'));
    const records = log.records.toLocaleString('en-US');
    const replay = async () => (await runLogforge(['replay', '--url', service.url, log.path])).stdout;

    expect(await replay()).toContain(`replayed ${records} records`);
    await awaitStored(stream);
    await eventually(async () => {
      const summaries = [...(await readSummaries(service.dirs))].map(([hour, { source, hour: _, ...counts }]) => {
        expect(source.skippedLines).toBe(0);
        return [hour, counts] as const;
      });
      expect(Object.fromEntries(summaries)).toEqual(log.hours);
    });
    await eventually(async () => {
      const samples = await readMetric(service, 'logforge_kafka_consumer_lag');
      // Four partitions of each of the built-in streams.
      expect(samples.size).toBe(8);
      expect(Math.max(...samples.values())).toBe(0);
    });
    expect((await fetch(`${service.url}/ready`)).status).toBe(200);
    expect(await (await fetch(`${service.url}/version`)).json()).toMatchObject({ pipeline: 2 });
    const files = await readHourFiles(service.dirs);

    expect(await replay()).toContain(`${records} duplicates`);
    service = await restart(stream, service);
    expect(await replay()).toContain(`${records} duplicates`);
    await awaitStored(stream);
    expect(await readHourFiles(service.dirs)).toEqual(files);
    expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
  });

  it('stores what comes as JSON, NDJSON and CSV, and says that the broker has it', async () => {
    const stream = streamOf();
    const service = await start(stream);
    const http = createClient(service.port);
    const record = (n: number) => ({ timestamp: '2015-05-17T10:00:00Z', path: `/${n}`, userAgent: 'a' });
    const posts = [
      ['application/json', JSON.stringify([record(1)])],
      ['application/x-ndjson', `${JSON.stringify(record(2))}\n`],
      ['text/csv', 'timestamp,path,userAgent\n2015-05-17T10:00:00Z,/3,a\n'],
    ] as const;
    for (const [type, content] of posts) {
      const answer = await http.post(content, { 'Content-Type': type });
      expect(answer).toMatchObject({ status: 202, body: '{"accepted":1}' });
      expect(answer.headers['logforge-durability']).toBe('broker');
    }
    http.close();
    await awaitStored(stream);
    const stored = (await readRecords(service.dirs)).sort((a, b) => String(a.path).localeCompare(String(b.path)));
    expect(stored).toEqual([record(1), record(2), record(3)]);
  });

  it('answers a repeated key as before, also after it stopped and after it was killed', async () => {
    const stream = streamOf();
    let service = await start(stream);
    const post = async (key: string, id: number) => {
      const http = createClient(service.port);
      const { status, headers } = await http.post(body(id), { 'Idempotency-Key': key });
      http.close();
      return { status, replayed: headers['idempotency-replayed'] === 'true' };
    };
    expect(await post('one', 1)).toEqual({ status: 202, replayed: false });
    expect(await post('one', 1)).toEqual({ status: 202, replayed: true });
    expect((await post('one', 2)).status).toBe(422);
    await awaitStored(stream);
    service = await restart(stream, service);
    expect(await post('one', 1)).toEqual({ status: 202, replayed: true });
    expect(await post('two', 2)).toEqual({ status: 202, replayed: false });
    // Whether or not it is stored by now: here or where it is stored, the repeat is recognised.
    service = await restart(stream, service, 'SIGKILL');
    expect((await post('two', 2)).status).toBe(202);
    expect((await post('one', 2)).status).toBe(422);
    await awaitStored(stream);
    expect(sorted(await countRecords(service.dirs))).toEqual(sorted(onceEach([1, 2])));
  });

  it('is told to stop under load, and holds every batch that it acknowledged once', async () => {
    const stream = streamOf();
    const service = await start(stream);
    const load = startLoad(service, { clients: 16 });
    await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(100));
    const exit = await service.stop();
    await load.stop();
    expect(exit).toEqual({ code: 0, signal: null });
    expect(load.others.filter((other) => !/^0 .*(ECONNREFUSED|ECONNRESET)/.test(other))).toEqual([]);

    await start(stream, { dirs: service.dirs });
    await awaitStored(stream);
    const stored = await countRecords(service.dirs);
    for (const id of load.unclear) for (let i = 0; i < RECORDS; i++) stored.delete(`${id}/${i}`);
    expect(sorted(stored)).toEqual(sorted(onceEach(load.acknowledged)));
  });

  it('holds the partition while the data disk is full, and goes on when there is room', async () => {
    const limit = 256 * 1024;
    // The spool and the journal have room; the one hour file does not.
    const stream = streamOf();
    const service = await start(stream, { wrapper: ['prlimit', `--fsize=${limit}:unlimited`] });
    const http = createClient(service.port);
    const ids = Array.from({ length: 24 }, (_, id) => id * 3);
    const padding = 'x'.repeat(1_000);
    for (const id of ids) {
      const padded = JSON.parse(body(id)).map((record: object) => ({ ...record, userAgent: padding }));
      expect((await http.post(JSON.stringify(padded))).status).toBe(202);
    }
    http.close();
    await eventually(async () => {
      const held = (await readMetric(service, 'logforge_kafka_partitions_held')).get('');
      expect(held).toBeGreaterThanOrEqual(1);
    });
    for (const bytes of (await readHourFiles(service.dirs)).values()) expect(bytes.length).toBeLessThanOrEqual(limit);
    // Between a write that the disk cut short and its way back, a file ends in half a line.
    const early = await eventually(() => countRecords(service.dirs));
    expect(early.size).toBeLessThan(ids.length * RECORDS);
    expect([...early.values()].every((count) => count === 1)).toBe(true);

    execFileSync('prlimit', ['--pid', String(service.pid), '--fsize=unlimited:unlimited']);
    await awaitStored(stream);
    expect(sorted(await countRecords(service.dirs))).toEqual(sorted(onceEach(ids)));
    expect((await readMetric(service, 'logforge_kafka_partitions_held')).get('')).toBe(0);
  });
});

describe('version 2', () => {
  it('answers 413 to a batch that the topic, made by others, does not take, and takes those that fit', async () => {
    const stream = createStream(version2.brokers);
    await withAdmin(version2.brokers, (admin) => {
      const configEntries = [{ name: 'max.message.bytes', value: '20000' }];
      return admin.createTopics({ topics: [{ topic: stream.topic, numPartitions: 1, configEntries }] });
    });
    const service = await start(stream);
    const http = createClient(service.port);
    const refused = await http.post(body(1, 500));
    expect(refused.status).toBe(413);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(JSON.parse(refused.body).detail).toContain('20000');
    expect((await http.post(body(2))).status).toBe(202);
    http.close();
    await awaitStored(stream);
    expect(sorted(await countRecords(service.dirs))).toEqual(sorted(onceEach([2])));
  });

  it('takes requests in several threads, knows their keys in all of them, and stores every batch once', async () => {
    const stream = createStream(version2.brokers, { LOGFORGE_SERVER_THREADS: '2' });
    const service = await start(stream);
    const load = startLoad(service, { clients: 8, firstId: 1_000 });
    // A new connection each time: they are shared out among the threads.
    const answers = new Set<string>();
    for (let round = 0; round < 12; round++) {
      const http = createClient(service.port);
      const { status, headers, body: answer } = await http.post(body(7), { 'Idempotency-Key': 'one' });
      answers.add(`${status} ${answer} ${round > 0 === (headers['idempotency-replayed'] === 'true')}`);
      http.close();
    }
    expect([...answers]).toEqual([`202 {"accepted":${RECORDS}} true`]);
    await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(100));
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await load.stop();
    expect(load.others.filter((other) => !/^0 .*(ECONNREFUSED|ECONNRESET)/.test(other))).toEqual([]);

    const next = await start(stream, { dirs: service.dirs });
    const http = createClient(next.port);
    expect((await http.post(body(7), { 'Idempotency-Key': 'one' })).headers['idempotency-replayed']).toBe('true');
    http.close();
    await awaitStored(stream);
    const stored = await countRecords(service.dirs);
    for (const id of load.unclear) for (let i = 0; i < RECORDS; i++) stored.delete(`${id}/${i}`);
    expect(sorted(stored)).toEqual(sorted(onceEach([7, ...load.acknowledged])));
    expect((await readMetric(next, 'logforge_records_unaccounted')).get('')).toBe(0);
  });

  it('does not take clients that hang up for a broker that is away', async () => {
    const stream = createStream(version2.brokers, { LOGFORGE_QUEUE_CIRCUIT_FAILURES: '1' });
    const service = await start(stream);
    const whole = body(7);
    const head = `POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${whole.length}\r\n\r\n`;
    for (let round = 0; round < 10; round++) {
      for (const sent of [head + whole.slice(0, 300), head + whole]) {
        const { socket, closed } = await openSocket(service.port);
        await new Promise<void>((resolve) => void socket.write(sent, () => resolve()));
        socket.resetAndDestroy();
        await closed;
      }
    }
    const http = createClient(service.port);
    const answer = await http.post(body(8));
    http.close();
    expect(answer).toMatchObject({ status: 202, headers: { 'logforge-durability': 'broker' } });
    const states = await readMetric(service, 'logforge_breaker_state');
    expect(Object.fromEntries(states)).toEqual({
      '{state="closed"}': 1,
      '{state="open"}': 0,
      '{state="half-open"}': 0,
    });
    await awaitStored(stream);
    const stored = await countRecords(service.dirs);
    expect(stored.get('8/0')).toBe(1);
    // Each that came whole is stored whole, or not at all.
    for (let i = 1; i < RECORDS; i++) expect(stored.get(`7/${i}`)).toBe(stored.get('7/0'));
  });
});
