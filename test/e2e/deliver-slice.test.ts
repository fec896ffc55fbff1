import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createSliceDelivery } from '../../src/app/files/deliver-slice.ts';
import { accessLine, createRecorder, sliceOf } from '../../src/app/files/slice-fixture.case.ts';
import { keyByRange } from '../../src/app/files/slice-keys.ts';
import { main } from '../../src/cli/main.ts';
import { createTestIo } from '../../src/cli/test-io.case.ts';
import { type Compression, createServiceSender } from '../../src/outputs/http/service-sender.ts';
import { openDeadLetterFile, openRejectsFile } from '../../src/outputs/line-files.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { readDeadLetters, readRecords } from '../support/storage.ts';

let folder: string;
let service: Service;
const closers: (() => unknown)[] = [];

const LIMITS = {
  LOGFORGE_INGESTION_MAX_HOURS_PER_BATCH: '3',
  LOGFORGE_INGESTION_MAX_RECORD_BYTES: '1KiB',
  LOGFORGE_SERVER_MAX_BODY_BYTES: '4KiB',
};

// One service for all: its starts are what takes time here.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-deliver-'));
  service = await startService({ env: LIMITS });
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
  await rm(folder, { recursive: true });
});

async function restart(signal: NodeJS.Signals, env: Record<string, string>): Promise<void> {
  const { dirs } = service;
  await service.stop(signal);
  service = await startService({ dirs, env });
}

async function createDelivery({
  maxHours = 1_000,
  compression,
}: {
  maxHours?: number;
  compression?: Compression;
} = {}) {
  const seen = createRecorder();
  const { report } = seen;
  const sender = createServiceSender({
    url: new URL(service.url),
    connections: 2,
    retries: 'forever',
    notify: report.notify,
    compression,
  });
  const rejects = await openRejectsFile(join(folder, 'rejects.ndjson'));
  const deadLetters = await openDeadLetterFile(join(folder, 'letters.ndjson'));
  closers.push(sender.close, rejects.close, deadLetters.close);
  const about = { stream: 'access', keyOf: keyByRange, conflict: 'duplicate', maxHours } as const;
  return { ...seen, deliver: createSliceDelivery({ ...about, sender, rejects, deadLetters, report }) };
}

/** Paths of the stored records that begin so. */
async function stored(prefix: string): Promise<unknown[]> {
  const paths = (await readRecords(service.dirs)).map(({ path }) => String(path));
  return paths.filter((path) => path.startsWith(prefix)).sort();
}

const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const;
const pathsOf = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

it('a slice is stored once, whatever it exceeds, and however the service ends between', async () => {
  const slices = COMPRESSIONS.map((id) =>
    sliceOf(
      pathsOf(`/${id}/`, 100).map((path, i) => accessLine(path, i % 7)),
      { id },
    ),
  );
  const deliverAll = async (expected: object) => {
    for (const [i, compression] of COMPRESSIONS.entries()) {
      const { deliver, outcomes } = await createDelivery({ compression });
      for (const slice of slices.slice(i, i + 1)) await deliver(slice);
      expect(outcomes).toMatchObject([expected]);
    }
  };
  await deliverAll({ stored: 100, duplicates: 0, refused: 0 });
  await deliverAll({ stored: 0, duplicates: 100, refused: 0 });
  await restart('SIGKILL', LIMITS);
  await deliverAll({ stored: 0, duplicates: 100, refused: 0 });
  for (const id of COMPRESSIONS) expect(await stored(`/${id}/`)).toEqual(pathsOf(`/${id}/`, 100).sort());
});

it('a slice takes as few requests as the hours that the service allows, where they are known', async () => {
  const { deliver, outcomes } = await createDelivery({ maxHours: 3 });
  await deliver(sliceOf(pathsOf('/hours/', 9).map(accessLine), { id: 'hours' }));
  expect(outcomes).toMatchObject([{ batches: 3, stored: 9 }]);
});

it('a slice that is converted in another way is known by its key', async () => {
  const { deliver, outcomes, said } = await createDelivery();
  const slice = sliceOf([accessLine('/conflict/1')], { id: 'conflict' });
  await deliver(slice);
  await deliver({ ...slice, converted: sliceOf([accessLine('/conflict/2')]).converted });
  expect(outcomes).toMatchObject([{ stored: 1 }, { stored: 0, duplicates: 1 }]);
  expect(said).toEqual([expect.stringContaining('were delivered before')]);
  expect(await stored('/conflict')).toEqual(['/conflict/1']);
});

it('each record that is refused is one dead letter, here or there, and can be replayed', async () => {
  const { deliver, outcomes } = await createDelivery();
  const line = (path: string, bytes: number) => accessLine(path).replace('"-"', `"${'x'.repeat(bytes)}"`);
  // Larger than a body may be; larger than a record may be, beside a good one; and alone in its batch.
  const lines = [
    accessLine('/letter/1'),
    line('/letter/huge', 5_000),
    accessLine('/letter/2'),
    line('/letter/long', 2_000),
  ];
  await deliver(sliceOf(lines, { id: 'letter' }));
  await deliver(sliceOf([line('/letter/alone', 2_000)], { id: 'letter', from: 20_000, number: 5 }));
  expect(outcomes).toMatchObject([
    { stored: 2, refused: 2, refusals: [{ first: 2 }, { first: 4, reason: 'exceeds 1024 bytes' }] },
    { stored: 0, refused: 1, refusals: [{ first: 5, reason: 'exceeds 1024 bytes' }] },
  ]);
  expect(await stored('/letter')).toEqual(['/letter/1', '/letter/2']);
  expect(await readDeadLetters(service.dirs)).toMatchObject([{ record: { path: '/letter/long' } }]);
  const path = join(folder, 'letters.ndjson');
  const letters = (await readFile(path, 'utf8')).trimEnd().split('\n');
  expect(letters.map((text) => JSON.parse(text) as unknown)).toMatchObject([
    { stage: 'input', record: { path: '/letter/huge' }, source: '/var/log/access.log:2' },
    { stage: 'input', record: { path: '/letter/alone' }, source: '/var/log/access.log:5' },
  ]);

  await restart('SIGTERM', {});
  const replay = async () => {
    const { io, stdout } = createTestIo();
    await main(['dlq', 'replay', '--url', service.url, '--file', path], io);
    return stdout();
  };
  expect(await replay()).toContain('2 letters stored, 0 duplicates, 0 still invalid');
  expect(await replay()).toContain('0 letters stored, 2 duplicates, 0 still invalid');
  expect(await stored('/letter')).toEqual(['/letter/1', '/letter/2', '/letter/alone', '/letter/huge']);
});
