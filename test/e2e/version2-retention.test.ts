import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { createClient } from '../support/client.ts';
import { listVisible } from '../support/storage.ts';
import { useVersion2 } from '../support/use-version2.ts';
import { awaitStored, createStream, readMetric } from '../support/version2.ts';

/* Records of removed hours that come from the topic: another process, without retention, has put them there. */

vi.setConfig({ testTimeout: 120_000 });

const version2 = useVersion2();

const bodyOf = (...hours: readonly number[]) =>
  JSON.stringify(hours.map((hour) => ({ timestamp: `2015-05-17T${hour}:00:00Z`, path: `/${hour}`, userAgent: 'a' })));

it('become dead letters of the consumer, and the front refuses what it knows of', async () => {
  const stream = createStream(version2.brokers);
  const env = { LOGFORGE_RETENTION_MAX_AGE: '720h', LOGFORGE_RETENTION_INTERVAL: '1s' };
  const service = await version2.start(stream, { env });
  const client = createClient(service.port);
  expect((await client.post(bodyOf(11))).status).toBe(202);
  const path = join(service.dirs.logs, '2015-05-17/11.log.json');
  const removals = async () =>
    (await readMetric(service, 'logforge_retention_removals_total')).get('{stream="access",cause="max_age"}');
  await expect.poll(removals, { timeout: 30_000 }).toBe(1);
  const { status, body } = await client.post(bodyOf(12, 11));
  expect([status, body]).toEqual([400, expect.stringContaining('record 1 older than retention')]);
  client.close();

  const other = await version2.start(stream, { env: { LOGFORGE_KAFKA_CONSUMERS: '0' } });
  const sender = createClient(other.port);
  expect((await sender.post(bodyOf(10, 12, 11))).status).toBe(202);
  sender.close();
  await awaitStored(stream);
  const [name = ''] = await listVisible(service.dirs.dlq);
  const letters = (await readFile(join(service.dirs.dlq, name), 'utf8')).trimEnd().split('\n');
  const source = expect.stringMatching(/^kafka:.*\/\d+@\d+$/) as string;
  const about = { stage: 'consume', reason: 'older than retention', source };
  expect(letters.map((letter) => JSON.parse(letter) as unknown)).toEqual([
    expect.objectContaining({ ...about, record: expect.objectContaining({ path: '/10' }) as object }),
    expect.objectContaining({ ...about, record: expect.objectContaining({ path: '/11' }) as object }),
  ]);
  expect(existsSync(path)).toBe(false);
  expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
});
