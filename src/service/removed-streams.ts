import type { Log } from '../log.ts';
import { countRecords } from '../model/chunk.ts';
import { type Deliver, streamOfBatch } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import type { Repo } from '../repo/repo.ts';
import type { Accounting } from './accounting.ts';
import { withIdempotency } from './idempotency.ts';
import { type FirstHour, partOldRecords } from './old-records.ts';

export interface RemovedStreamsOptions {
  readonly deliver: Deliver;
  /** Whether the configuration has the stream. */
  readonly isConfigured: (stream: StreamName) => boolean;
  readonly repo: Pick<Repo, 'append' | 'hasBatchId' | 'idempotency'>;
  /** Records of earlier hours become dead letters. */
  readonly firstHour: FirstHour;
  readonly accounting: Accounting;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * For batches from the spool. One whose stream was removed from the configuration has no topic any more, and it was acknowledged: it is
 * stored here, under the name of its stream, once. All others are delivered. A key that was used meanwhile with another body makes it a
 * PermanentError, as anywhere.
 */
export function storeRemovedStreams(options: RemovedStreamsOptions): Deliver {
  const { deliver, isConfigured, repo, firstHour, accounting, log } = options;

  const store = withIdempotency({
    /** The same batch may come again after a crash: its id was committed with it. */
    deliver: async (batch, note) => {
      const [id] = note?.batchIds ?? [];
      const isStored = id !== undefined && repo.hasBatchId(id);
      const records = countRecords(batch);
      const about = { source: `spool:${id}`, time: repo.idempotency.now() };
      const { batch: left, deadLetters } = partOldRecords(batch, firstHour, about);
      const all = { ...note, deadLetters: [...(note?.deadLetters ?? []), ...deadLetters] };
      if (!isStored) await repo.append(left, deadLetters.length > 0 ? all : note);
      accounting.receive(records);
      accounting.settle(isStored ? 'duplicate' : 'stored', records - deadLetters.length);
      accounting.settle(isStored ? 'duplicate' : 'dead_lettered', deadLetters.length);
      return { durability: 'disk' };
    },
    find: (used) => repo.idempotency.find(used),
    now: () => repo.idempotency.now(),
    durability: 'disk',
  });

  return async function deliverOrStore(batch, note) {
    const stream = streamOfBatch(batch, note);
    if (isConfigured(stream)) return deliver(batch, note);
    const message =
      'the spool holds batches of a stream that is not configured any more; they are stored under its name';
    log.warn(message, { stream, fold: `removed ${stream}` });
    return store(batch, note);
  };
}
