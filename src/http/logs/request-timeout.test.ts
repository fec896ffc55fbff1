import { expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { createDecoders } from '../../decode/decoders.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import type { CommitNote, Deliver, Receipt } from '../../model/deliver.ts';
import { UnavailableError } from '../../model/deliver.ts';
import { KeyTable } from '../../model/key-table.ts';
import { ACCESS_STREAM } from '../../model/stream.ts';
import { createAccounting } from '../../service/accounting.ts';
import { withIdempotency } from '../../service/idempotency.ts';
import { createIngest } from '../../service/ingest.ts';
import { createKindTally } from '../../service/kind-tally.ts';
import { startFixture } from '../contract/contract-fixture.case.ts';
import { createHttpServer } from '../server/server.ts';

const decoders = createDecoders(ACCESS_STREAM);

/** A server with the real ingest in front of a storage that takes as long as the test likes. */
async function start() {
  const metrics = createMetrics({ defaultMetrics: false });
  const accounting = createAccounting(metrics);
  const remembered = new KeyTable({ maxKeys: 10 });
  const commits: (PromiseWithResolvers<Receipt> & { readonly note: CommitNote | undefined })[] = [];
  const append: Deliver = async (_, note) => {
    const commit = { ...Promise.withResolvers<Receipt>(), note };
    commits.push(commit);
    const receipt = await commit.promise;
    if (note?.idempotency !== undefined) remembered.add(note.idempotency);
    return receipt;
  };
  const ingest = createIngest({
    decodersOf: () => decoders,
    decode: DECODE_OPTIONS,
    deliver: withIdempotency({
      deliver: append,
      find: (used) => remembered.find(used, 0),
      now: Date.now,
      durability: 'disk',
    }),
    delivered: 'stored',
    accounting,
    tally: createKindTally({ metrics, clock: Date.now }),
    metrics,
    clock: Date.now,
  });
  const fixture = await startFixture(createHttpServer, { ingest, limits: { requestTimeoutMs: 100 } });
  const outcomes = async () => {
    const { values } = await metrics.records.get();
    const counted = values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.outcome, value]);
    return { ...Object.fromEntries(counted), inFlight: accounting.inFlightRecords(), lost: accounting.unaccounted() };
  };
  const commit = (place: number) => commits[place]?.resolve({ durability: 'disk' });
  return { ...fixture, commits, commit, outcomes };
}

const KEYED = { headers: ['Idempotency-Key: k'] };

test('a batch that is stored after its 503 is accounted for as stored, and a retry with its key finds it', async () => {
  const { post, commit, commits, outcomes } = await start();
  expect((await post(KEYED)).status).toBe(503);
  expect(await outcomes()).toEqual({ inFlight: 1, lost: 0 });
  commit(0);
  await expect.poll(outcomes).toEqual({ stored: 1, inFlight: 0, lost: 0 });
  const retry = await post(KEYED);
  expect([retry.status, retry.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
  expect(commits).toHaveLength(1);
  expect(await outcomes()).toEqual({ stored: 1, duplicate: 1, inFlight: 0, lost: 0 });
});

test('a retry with the key waits for the first batch, and is answered 503 in its turn while that is not stored', async () => {
  const { post, commit, commits, outcomes } = await start();
  expect((await post(KEYED)).status).toBe(503);
  expect((await post(KEYED)).status).toBe(503);
  expect(commits).toHaveLength(1);
  commit(0);
  await expect.poll(outcomes).toEqual({ stored: 1, duplicate: 1, inFlight: 0, lost: 0 });
});

test('a batch that fails after its 503 is accounted for as rejected, and a retry with its key stores it', async () => {
  const { post, commit, commits, outcomes } = await start();
  expect((await post(KEYED)).status).toBe(503);
  commits[0]?.reject(new UnavailableError('no commit began within 100 ms', 1));
  await expect.poll(outcomes).toEqual({ rejected: 1, inFlight: 0, lost: 0 });
  const retry = post(KEYED);
  await expect.poll(() => commits.length).toBe(2);
  commit(1);
  expect((await retry).status).toBe(202);
  expect(await outcomes()).toEqual({ rejected: 1, stored: 1, inFlight: 0, lost: 0 });
});
