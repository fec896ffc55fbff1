import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { startBroker, type TestBroker } from '../support/kafka-broker.ts';
import { type Dirs, makeDirs, removeDirs, type Service } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';
import { createStream, type Stream, startVersion2, withAdmin } from '../support/version2.ts';

/*
 * How long the partitions of a process wait that was killed (kill -9). The broker has the settings of a broker that nobody
 * configured: sessions of at least 6 s, and 3 s in which a group that was empty waits for more members.
 */

let broker: TestBroker;
const started: Service[] = [];
const folders: Dirs[] = [];

beforeAll(async () => {
  broker = await startBroker({
    properties: { 'group.initial.rebalance.delay.ms': '3000', 'group.min.session.timeout.ms': '6000' },
  });
});
afterAll(async () => {
  await Promise.all(started.map((service) => service.stop('SIGKILL')));
  for (const dirs of folders) await removeDirs(dirs);
  await broker.dispose();
});

async function start(stream: Stream, dirs?: Dirs): Promise<Service> {
  const own = dirs ?? (await makeDirs());
  if (dirs === undefined) folders.push(own);
  const service = await startVersion2(stream, { dirs: own });
  started.push(service);
  return service;
}

async function post(service: Service, path: string): Promise<void> {
  const http = createClient(service.port);
  const body = JSON.stringify([{ timestamp: '2015-05-17T10:00:00Z', path, userAgent: 'a' }]);
  expect((await http.post(body)).status).toBe(202);
  http.close();
}

async function awaitPath({ dirs }: Service, path: string): Promise<void> {
  await eventually(async () => {
    expect((await readRecords(dirs)).map((record) => record.path)).toContain(path);
  }, 30_000);
}

const membersOf = ({ brokers, groupId }: Stream) =>
  withAdmin(brokers, async (admin) => {
    const { groups } = await admin.describeGroups([groupId]);
    return groups.flatMap(({ members }) => members.map(({ memberId }) => memberId));
  });

describe.each(['kafkajs', 'platformatic'])('a process that was killed, by %s', (client) => {
  const streamOf = () => createStream(broker.brokers, { LOGFORGE_KAFKA_CLIENT: client });

  it('stores again soon after it is started on the same folders, and does not wait for its old session', async () => {
    const stream = streamOf();
    let service = await start(stream);
    await post(service, '/before');
    await awaitPath(service, '/before');
    let seconds = Number.POSITIVE_INFINITY;
    // Under a second. The session lasts 6 s, and a group that was left empty waits 3 s. A machine that is busy with other tests may be
    // slow once, but not each time.
    for (let n = 1; n <= 3 && seconds >= 2.5; n++) {
      const dead = await membersOf(stream);
      await service.stop('SIGKILL');
      service = await start(stream, service.dirs);
      const begin = performance.now();
      await post(service, `/after-${n}`);
      await awaitPath(service, `/after-${n}`);
      seconds = (performance.now() - begin) / 1000;
      expect((await membersOf(stream)).filter((id) => dead.includes(id))).toEqual([]);
    }
    expect(seconds).toBeLessThan(2.5);
    await service.stop();
  });

  it('keeps its partitions from another process for one session at most, and evicts no process that lives', async () => {
    const stream = createStream(broker.brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '2' });
    const victim = await start(stream);
    await post(victim, '/before');
    await awaitPath(victim, '/before');
    const witness = await start(stream);
    await eventually(async () => expect(await membersOf(stream)).toHaveLength(2), 20_000);
    const both = await membersOf(stream);
    await victim.stop('SIGKILL');
    const begin = performance.now();
    // Batches go to both partitions in turn.
    for (let n = 0; n < 4; n++) await post(witness, `/${n}`);
    for (let n = 0; n < 4; n++) await awaitPath(witness, `/${n}`);
    const seconds = (performance.now() - begin) / 1000;
    // 6 s, and a moment for the group to share the partitions out.
    expect(seconds).toBeLessThan(9);

    const again = await start(stream, victim.dirs);
    await eventually(async () => expect(await membersOf(stream)).toHaveLength(2), 20_000);
    // The witness is still the member that it was.
    expect((await membersOf(stream)).filter((id) => both.includes(id))).toHaveLength(1);
    expect(witness.logs()).not.toContain('a consumer failed');
    await Promise.all([again.stop(), witness.stop()]);
  });
});
