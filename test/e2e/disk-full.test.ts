import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type Client, createClient, type Outcome } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readHourFiles, readRecords } from '../support/storage.ts';

/*
 * RLIMIT_FSIZE stands in for a full disk: no file can grow beyond it. Only the soft limit is set, so that the test can
 * make room again without privileges.
 */
const LIMIT = 512 * 1024;

let service: Service;
let client: Client;

async function start(durability: string, compression = 'none'): Promise<void> {
  service = await startService({
    env: {
      LOGFORGE_STORAGE_DURABILITY: durability,
      LOGFORGE_STORAGE_COMPRESSION: compression,
      LOGFORGE_AGGREGATION_INTERVAL: '100ms',
    },
    wrapper: ['prlimit', `--fsize=${LIMIT}:unlimited`],
  });
  client = createClient(service.port);
}

function makeRoom(): void {
  execFileSync('prlimit', ['--pid', String(service.pid), '--fsize=unlimited:unlimited']);
}

afterEach(async () => {
  client.close();
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

const RECORDS = 100;

/** A batch over two hours, so that a failure in one must take back the other. */
function body(id: number, hours = [10, 11]): string {
  const records = Array.from({ length: RECORDS }, (_, i) => ({
    timestamp: `2015-05-17T${hours[i % hours.length]}:00:00Z`,
    path: '/',
    // Hardly shorter when it is compressed.
    userAgent: hash('sha512', `${id} ${i}`, 'base64'),
    id,
    i,
  }));
  return JSON.stringify(records);
}

/** Posts until nothing goes in any more: ten refusals in a row, for the journal makes room for itself now and then. */
async function fill(): Promise<{ accepted: number[]; refused: Outcome }> {
  const accepted: number[] = [];
  let refused: Outcome | undefined;
  for (let id = 0, inARow = 0; inARow < 10; id++) {
    if (id === 2000) throw new Error('the limit is not reached');
    const outcome = await client.post(body(id));
    if (outcome.status === 202) {
      accepted.push(id);
      inARow = 0;
    } else {
      expect(outcome.status, outcome.body).toBe(503);
      refused = outcome;
      inARow++;
    }
  }
  if (refused === undefined) throw new Error('nothing was refused');
  return { accepted, refused };
}

function countById(records: readonly Record<string, unknown>[]): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const { id } of records) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

describe.each([
  ['disk', 'none'],
  ['os', 'none'],
  ['disk', 'zstd'],
])('a full disk, durability %s, compression %s', (durability, compression) => {
  it('is answered 503 with Retry-After, leaves whole lines, and is over when there is room', async () => {
    await start(durability, compression);
    const { accepted, refused } = await fill();
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(accepted.length).toBeGreaterThan(10);

    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => client.post(body(5000 + i))));
    expect(many.map(({ status }) => status)).toEqual(Array(20).fill(503));
    // Whole lines only, and only of batches that were accepted: readRecords and the count say so.
    expect(countById(await readRecords(service.dirs))).toEqual(new Map(accepted.map((each) => [each, RECORDS])));
    if (compression === 'none')
      for (const bytes of (await readHourFiles(service.dirs)).values()) expect(bytes.length).toBeLessThanOrEqual(LIMIT);
    expect((await client.get('/health')).status).toBe(200);

    makeRoom();
    const again = await eventually(async () => {
      const outcome = await client.post(body(9999));
      expect(outcome.status).toBe(202);
      return outcome;
    });
    expect(JSON.parse(again.body)).toEqual({ accepted: RECORDS });
    accepted.push(9999);
    await eventually(async () => expect((await client.get('/ready')).status).toBe(200));
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(countById(await readRecords(service.dirs))).toEqual(new Map(accepted.map((each) => [each, RECORDS])));
  });

  it('forgets the key of a batch that it could not store', async () => {
    await start(durability, compression);
    await fill();
    const headers = { 'Idempotency-Key': 'a-key' };
    expect((await client.post(body(9999), headers)).status).toBe(503);
    makeRoom();
    const stored = await eventually(async () => {
      const outcome = await client.post(body(9999), headers);
      expect(outcome.status).toBe(202);
      return outcome;
    });
    expect(stored.headers['idempotency-replayed']).toBeUndefined();
    expect((await client.post(body(9999), headers)).headers['idempotency-replayed']).toBe('true');
    expect(countById(await readRecords(service.dirs)).get(9999)).toBe(RECORDS);
  });

  it('does not lose what was stored when it is followed by a crash', async () => {
    await start(durability, compression);
    const { accepted } = await fill();
    await service.stop('SIGKILL');
    const next = await startService({ dirs: service.dirs });
    await next.stop();
    expect(countById(await readRecords(service.dirs))).toEqual(new Map(accepted.map((each) => [each, RECORDS])));
  });
});

describe('a start on a full disk', () => {
  const NOTHING = ['prlimit', '--fsize=0:unlimited'];

  it('serves what is stored, refuses batches with the reason, and stores again when there is room', async () => {
    await start('disk');
    expect((await client.post(body(1))).status).toBe(202);
    await eventually(async () => expect((await client.get('/analytics?hour=2015-05-17T10')).status).toBe(200));
    await service.stop('SIGKILL');
    client.close();

    service = await startService({ dirs: service.dirs, wrapper: NOTHING });
    client = createClient(service.port);
    expect(service.logs()).toContain('the storage cannot be written; batches are refused until it can');
    const refused = await client.post(body(2));
    expect([refused.status, Number(refused.headers['retry-after']) > 0]).toEqual([503, true]);
    expect((await client.get('/health')).status).toBe(200);
    expect((await client.get('/analytics?hour=2015-05-17T10')).status).toBe(200);
    const ready = await client.get('/ready');
    expect(ready.status).toBe(503);
    expect(ready.body).toContain('EFBIG');

    makeRoom();
    await eventually(async () => expect((await client.get('/ready')).status).toBe(200));
    expect((await client.post(body(3))).status).toBe(202);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(countById(await readRecords(service.dirs))).toEqual(new Map([1, 3].map((id) => [id, RECORDS])));
  });

  it('stops cleanly when there was no room all the time, and loses nothing', async () => {
    await start('disk');
    expect((await client.post(body(1))).status).toBe(202);
    await service.stop('SIGKILL');
    client.close();
    service = await startService({ dirs: service.dirs, wrapper: NOTHING });
    client = createClient(service.port);
    expect((await client.post(body(2))).status).toBe(503);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    const next = await startService({ dirs: service.dirs });
    await next.stop();
    expect(countById(await readRecords(service.dirs))).toEqual(new Map([[1, RECORDS]]));
  });
});
