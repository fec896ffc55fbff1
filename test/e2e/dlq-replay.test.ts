import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { container, datum, EVENT, LOG_ENTRY } from '../support/avro-bodies.ts';
import { createClient } from '../support/client.ts';
import { delimited, logEntry } from '../support/protobuf-messages.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { listVisible, readDeadLetters, readRecords } from '../support/storage.ts';

const started: Service[] = [];

async function start(dirs: Dirs, env: Record<string, string> = {}): Promise<Service> {
  const service = await startService({ dirs, env });
  started.push(service);
  return service;
}

afterEach(async () => {
  for (const service of started) await service.stop('SIGKILL');
  for (const { dirs } of started.splice(0)) await removeDirs(dirs);
});

const record = (id: number, more = '') =>
  `{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a","id":${id}${more}}`;

async function replay(service: Service, ...args: string[]) {
  const { code, stdout, stderr } = await runLogforge([
    ...['dlq', 'replay', '--url', service.url, '--dlq-dir', service.dirs.dlq],
    ...args,
  ]);
  return { code, summary: stdout.replace(/\d+\.\d s; .*\n/, '…'), stdout, stderr };
}

const idsOf = async (dirs: Dirs) => (await readRecords(dirs)).map(({ id }) => id).sort();

describe('dlq replay', () => {
  it('stores what was refused once its cause is gone, each letter once, and leaves the letters where they are', async () => {
    const small = await start(await makeDirs(), { LOGFORGE_INGESTION_MAX_RECORD_BYTES: '1KiB' });
    const { dirs } = small;
    const client = createClient(small.port);
    const long = record(2, `,"n":1.0,"x":"\u2028${'x'.repeat(2000)}"`);
    const answer = await client.post(`[${record(1)},${long},{"id":3},7]`, {}, '/logs?invalid=skip');
    client.close();
    expect(JSON.parse(answer.body)).toMatchObject({ accepted: 1, rejected: 3 });
    const [file = ''] = await listVisible(dirs.dlq);
    const letters = await readFile(join(dirs.dlq, file), 'utf8');
    expect(letters.trimEnd().split('\n')).toHaveLength(3);

    const first = await replay(small);
    expect([first.code, first.summary]).toEqual([1, '0 letters stored, 0 duplicates, 3 still invalid, …']);
    expect(first.stdout).toContain('the letters stay in their files');
    expect(first.stderr.trimEnd().split('\n').sort()).toEqual([
      `${file}:1: still invalid: record 0 exceeds 1024 bytes`,
      `${file}:2: still invalid: record 0 missing timestamp`,
      `${file}:3: still invalid: record 0 is not an object`,
    ]);
    expect(await idsOf(dirs)).toEqual([1]);
    await small.stop();

    const large = await start(dirs);
    expect((await replay(large, '--dry-run')).stdout).toBe(
      'would send 3 letters of stage ingest, 0 lines unreadable\n',
    );
    expect(await idsOf(dirs)).toEqual([1]);
    const second = await replay(large);
    expect([second.code, second.summary]).toEqual([1, '1 letter stored, 0 duplicates, 2 still invalid, …']);
    const third = await replay(large, '--reason', 'exceeds');
    expect([third.code, third.summary]).toEqual([0, '0 letters stored, 1 duplicate, 0 still invalid, …']);
    await large.stop();
    expect(await idsOf(dirs)).toEqual([1, 2]);
    const stored = await readFile(join(dirs.logs, '2015-05-17', '10.log.json'), 'utf8');
    expect(stored.split('\n')[1]).toBe(long);
    expect(await readFile(join(dirs.dlq, file), 'utf8')).toBe(letters);
    expect(await readDeadLetters(dirs)).toHaveLength(3);
  });

  it('sends messages of the consumer as they came: lines, an array, bytes in base64', async () => {
    const service = await start(await makeDirs());
    const { dirs } = service;
    const letter = (raw: string, stage = 'consume') =>
      `${JSON.stringify({ time: '2015-05-18T00:00:00.000Z', stage, reason: 'cannot decode', raw, source: 'logs/0@1' })}\n`;
    const packed = Buffer.from(record(6)).toString('base64');
    const raws = [`${record(1)}\n${record(2)}\n`, `[${record(3)},${record(4)}]`, '\u0000junk', `base64:${packed}`, ''];
    const texts = [...raws.map((raw) => letter(raw)), 'not json\n', letter(record(7), 'ingest'), letter(record(8))];
    await writeFile(join(dirs.dlq, '2015-05-18.ndjson'), texts.join(''));
    await writeFile(join(dirs.dlq, '2015-05-20.ndjson'), letter(record(9)));

    const args = ['--stage', 'consume', '--from', '2015-05-18', '--to', '2015-05-19'];
    const first = await replay(service, ...args);
    expect([first.code, first.summary]).toEqual([
      1,
      '4 letters stored, 0 duplicates, 2 still invalid, 1 line unreadable, …',
    ]);
    expect(first.stderr).toContain('2015-05-18.ndjson:3: still invalid: ');
    expect(first.stderr).toContain('2015-05-18.ndjson:5: still invalid: the letter is empty');
    expect(await idsOf(dirs)).toEqual([1, 2, 3, 4, 6, 8]);

    // The same text again is another letter; those that were sent are known.
    await appendFile(join(dirs.dlq, '2015-05-18.ndjson'), letter(record(8)));
    const again = await replay(service, ...args);
    expect(again.summary).toBe('1 letter stored, 4 duplicates, 2 still invalid, 1 line unreadable, …');
    expect(await idsOf(dirs)).toEqual([1, 2, 3, 4, 6, 8, 8]);
    expect((await replay(service, '--day', '2015-05-20')).code).toBe(0);
    await service.stop();
  });

  it('sends bytes of Protocol Buffers and Avro as what they are', async () => {
    const small = await start(await makeDirs(), { LOGFORGE_INGESTION_MAX_RECORD_BYTES: '1KiB' });
    const { dirs } = small;
    const client = createClient(small.port);
    const long = { ...EVENT, message: 'x'.repeat(100_000) };
    const path = '/logs/events?invalid=skip';
    const messages = delimited([logEntry(), logEntry(long)]);
    const delimitedType = { 'Content-Type': 'application/x-protobuf; delimited=true; messageType=log.LogEntry' };
    const file = container({ ...LOG_ENTRY, name: 'Other' }, [[datum(EVENT), datum(long)]], 'deflate');
    for (const [body, type] of [
      [messages, delimitedType],
      [file, { 'Content-Type': 'avro/binary' }],
    ] as const) {
      const answer = await client.post(body, type, path);
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([202, { accepted: 1, rejected: 1 }]);
    }
    client.close();
    const about = { stage: 'ingest', stream: 'events', reason: 'record 1 exceeds 1024 bytes' };
    const raw = expect.stringMatching(/^base64:/);
    expect(await readDeadLetters(dirs)).toMatchObject([
      { ...about, raw, contentType: 'application/x-protobuf; messageType=log.LogEntry' },
      { ...about, raw, contentType: 'avro/binary' },
    ]);
    const refused = await replay(small);
    expect([refused.code, refused.summary]).toEqual([1, '0 letters stored, 0 duplicates, 2 still invalid, …']);
    expect(refused.stderr).toContain('record 0 exceeds 1024 bytes');
    await small.stop();
    const large = await start(dirs);
    const stored = await replay(large);
    expect([stored.code, stored.summary]).toEqual([0, '2 letters stored, 0 duplicates, 0 still invalid, …']);
    await large.stop();
    expect(await readRecords(dirs, 'events')).toEqual([EVENT, EVENT, long, long]);
  });

  it('stops where the service lets nobody in or is away, says of which letters nothing is known, and goes on later', async () => {
    const service = await start(await makeDirs(), {
      LOGFORGE_AUTH_ENABLED: 'true',
      LOGFORGE_AUTH_KEYS: 'secret',
    });
    const letters = Array.from({ length: 50 }, (_, id) =>
      JSON.stringify({ time: '2015-05-18T00:00:00Z', stage: 'ingest', reason: 'r', raw: record(id), source: '' }),
    );
    await writeFile(join(service.dirs.dlq, '2015-05-18.ndjson'), `${letters.join('\n')}\n`);
    const refused = await replay(service, '--api-key', 'wrong');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('the service refused a batch with 401');
    expect(refused.summary).toMatch(
      /^0 letters stored, 0 duplicates, 0 still invalid, 16 unknown, run the command again, /,
    );
    expect(await replay(service, '--api-key', 'secret')).toMatchObject({ code: 0, stderr: '' });
    expect(await readRecords(service.dirs)).toHaveLength(50);
    await service.stop();
    const away = await replay(service, '--retries', '0');
    expect(away.code).toBe(1);
    expect(away.stderr).toMatch(/2015-05-18.ndjson:1: unknown whether it is stored[\s\S]*cannot reach url=/);
  });

  it.each([
    [['--day', 'yesterday'], '--day must be a day'],
    [['--day', '2015-05-18', '--from', '2015-05-18'], 'either --day or --from and --to'],
    [['--from', '2015-05-18', '--to', '2015-05-18'], '--to must be later'],
    [['--retries', '-1'], '--retries'],
    [['--url', 'ftp://a'], '--url must be an address'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await runLogforge(['dlq', 'replay', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
