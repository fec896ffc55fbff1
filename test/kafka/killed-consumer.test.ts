import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KafkaClient } from '../../src/queue/kafka/kafka-queue.ts';
import type { Queue } from '../../src/queue/queue.ts';
import { findFaults, namedBatch } from '../support/pipeline.ts';
import { kafkaOptions, kafkaQueue } from '../support/queues.ts';
import { cleanEnv } from '../support/service.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { awaitStored, buryMembers, createStream, type Stream } from '../support/version2.ts';

/*
 * A consumer dies by kill -9 after the first operation on disk of a commit, the next one after the second, and so on,
 * until one is through; the last of them dies when all is on disk and the group does not know it yet.
 */

const CONSUMER = join(import.meta.dirname, '../support/mortal-consumer.ts');
const MOST_STEPS = 40;

let brokers: readonly string[];
const folders: string[] = [];
const queues: Queue[] = [];
const children = new Set<ChildProcess>();

beforeAll(async () => {
  brokers = await sharedBrokers();
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(queues.map((queue) => queue.close()));
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true, maxRetries: 3 })));
});

/** Resolves true when it has stored all there is, false when it was killed before. */
async function consume(stream: Stream, dir: string, dieAfter: number): Promise<boolean> {
  const child = spawn(process.execPath, [CONSUMER, dir, String(dieAfter)], {
    env: { ...cleanEnv(), ...stream.env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.add(child);
  const exited = once(child, 'exit').then(([code, signal]) => {
    children.delete(child);
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
    return false;
  });
  const stored = awaitStored(stream).then(() => true);
  stored.catch(() => undefined);
  const isThrough = await Promise.race([exited, stored]);
  child.kill('SIGKILL');
  await exited;
  // Else the next one waits for as long as the session of the dead might live.
  await buryMembers(stream);
  return isThrough;
}

/* A small commit stands whole in the journal; a large one is synced in its own files before. */
describe.concurrent('a consumer that is killed after any step of a commit', { timeout: 120_000 }, () => {
  it.for([
    ['kafkajs', 'small', 0],
    ['platformatic', 'large', 100_000],
  ] as const)('by %s, of a %s one, has stored nothing in part and loses and doubles nothing', async ([
    client,
    ,
    padding,
  ]) => {
    const dir = await mkdtemp(join(tmpdir(), 'logforge-mortal-'));
    folders.push(dir);
    const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });
    const queue = producer(client, stream);
    const names: string[] = [];
    let isThrough = false;
    for (let step = 1; !isThrough && step <= MOST_STEPS; step++) {
      const name = `batch.${step}`;
      await queue.enqueue(namedBatch(name, 'x'.repeat(padding)), { batchIds: [`p:${step}`] });
      names.push(name);
      isThrough = await consume(stream, dir, step);
    }
    expect(isThrough).toBe(true);
    expect(names.length).toBeGreaterThan(5);
    expect(await findFaults([dir], names)).toEqual([]);
  });
});

function producer(client: KafkaClient, { topic, groupId }: Stream): Queue {
  const queue = kafkaQueue(kafkaOptions(client, brokers, { topic, groupId, partitions: 1 }));
  queues.push(queue);
  return queue;
}
