import { describe, expect, it } from 'vitest';
import { countRecords, onceEach, sorted, startLoad } from '../support/batches.ts';
import type { Service } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { useVersion2 } from '../support/use-version2.ts';
import { awaitStored, createStream } from '../support/version2.ts';

const version2 = useVersion2();
const { start } = version2;

describe('two processes in one group', () => {
  it.each([
    ['kafkajs', 'kafkajs'],
    ['platformatic', 'platformatic'],
    ['kafkajs', 'platformatic'],
  ])('together hold every record once while they come and go: %s and %s', async (one, other) => {
    const stream = createStream(version2.brokers);
    const first = await start(stream, { env: { LOGFORGE_KAFKA_CLIENT: one } });
    const load = startLoad(first, { clients: 4 });
    const accept = async (more: number) => {
      const target = load.acknowledged.size + more;
      await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(target));
    };
    await accept(50);
    let second = await start(stream, { env: { LOGFORGE_KAFKA_CLIENT: other } });
    const before = await awaitRecords(second, 1);
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    await accept(50);
    second = await start(stream, { env: { LOGFORGE_KAFKA_CLIENT: other }, dirs: second.dirs });
    await awaitRecords(second, before + 1);
    await load.stop();
    await awaitStored(stream);
    expect([...load.unclear]).toEqual([]);
    expect(sorted(await countRecords(first.dirs, second.dirs))).toEqual(sorted(onceEach(load.acknowledged)));
  });
});

/** Waits until a process has a share of what comes, and gives its records. A look at a file may meet a line that is being written. */
async function awaitRecords(service: Service, least: number): Promise<number> {
  return eventually(async () => {
    const { size } = await countRecords(service.dirs);
    expect(size).toBeGreaterThanOrEqual(least);
    return size;
  }, 30_000);
}
