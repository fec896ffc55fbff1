import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { block, container, datum, EVENT, header, LOG_ENTRY, PACKERS } from '../support/avro-bodies.ts';
import { type Client, createClient } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { readDeadLetters } from '../support/storage.ts';

const AVRO = { 'Content-Type': 'avro/binary' };
const DATUM = datum(EVENT);

let service: Service;
let client: Client;

beforeAll(async () => {
  service = await startService({ env: { LOGFORGE_AGGREGATION_INTERVAL: '1h' } });
  client = createClient(service.port);
});
afterAll(async () => {
  client.close();
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  await removeDirs(service.dirs);
});

const LINE = `${JSON.stringify(EVENT)}\n`;
const stored = () => readFile(join(service.dirs.logs, 'events/2025-07-02/17.log.json'), 'utf8').catch(() => '');
const post = (body: Buffer, path = '/logs/events') => client.post(body, AVRO, path);
const confluent = (id: number) => Buffer.concat([Buffer.of(0, 0, 0, 0, id), DATUM]);

test('bodies in Avro are stored whole or not at all, and every record is accounted for', async () => {
  const file = header(LOG_ENTRY, 'deflate');
  const packed = PACKERS.deflate?.(DATUM) ?? Buffer.alloc(0);
  const refused: readonly (readonly [Buffer, string])[] = [
    [DATUM.subarray(0, -1), 'record 0 is not Avro: byte 29: expected the length of a string'],
    [Buffer.concat([DATUM, DATUM]), 'bytes after the last record'],
    [confluent(99), 'there is no schema id 99'],
    [Buffer.from('feffffff0f', 'hex'), 'expected the length of a string'],
    [
      Buffer.concat([
        file,
        block({ data: packed, count: 1 }),
        block({ data: packed, count: 1, sync: Buffer.alloc(16) }),
      ]),
      'sync marker',
    ],
    [
      Buffer.concat([file, block({ data: packed, count: 1 }), block({ data: packed.subarray(1), count: 1 })]),
      'cannot be unpacked',
    ],
    [header(LOG_ENTRY, 'xz'), 'has the codec \\"xz\\"'],
    [container(LOG_ENTRY, [[DATUM, datum({ ...EVENT, level: 'loud' })]]), 'record 1 invalid level'],
  ];
  for (const [body, expected] of refused) {
    const answer = await post(body);
    expect([answer.status, answer.body]).toEqual([400, expect.stringContaining(expected)]);
  }
  expect((await post(DATUM, '/logs')).body).toContain('register one under the subject access-avro');
  expect(await stored()).toBe('');
  expect(await readDeadLetters(service.dirs)).toEqual([]);

  for (const body of [DATUM, confluent(2), container(LOG_ENTRY, [[DATUM, DATUM], [DATUM]], 'zstandard')]) {
    expect((await post(body)).status).toBe(202);
  }
  const skipped = await post(
    container(LOG_ENTRY, [[DATUM, datum({ ...EVENT, level: 'loud' })]]),
    '/logs/events?invalid=skip',
  );
  expect([skipped.status, JSON.parse(skipped.body)]).toMatchObject([202, { accepted: 1, rejected: 1 }]);
  expect(await stored()).toBe(LINE.repeat(6));
  const letter = { stream: 'events', reason: 'record 1 invalid level: "loud"' };
  expect(await readDeadLetters(service.dirs)).toMatchObject([letter]);
  await readBalancedAccounting(client);
});
