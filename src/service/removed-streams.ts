import type { Log } from '../log.ts';
import { countRecords } from '../model/chunk.ts';
import { type Deliver, streamOfBatch } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import type { Repo } from '../repo/repo.ts';
import type { Accounting } from './accounting.ts';
import { withIdempotency } from './idempotency.ts';

export interface RemovedStreamsOptions {
  readonly deliver: Deliver;
  /** Whether the configuration has the stream. */
  readonly isConfigured: (stream: StreamName) => boolean;
  readonly repo: Pick<Repo, 'append' | 'hasBatchId' | 'idempotency'>;
  readonly accounting: Accounting;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * For batches from the spool. One whose stream was removed from the configuration has no topic any more, and it was acknowledged: it is
 * stored here, under the name of its stream, once. All others are delivered. A key that was used meanwhile with another body makes it a
 * PermanentError, as anywhere.
 */
export function storeRemovedStreams(options: RemovedStreamsOptions): Deliver {
  const { deliver, isConfigured, repo, accounting, log } = options;

  const store = withIdempotency({
    /** The same batch may come again after a crash: its id was committed with it. */
    deliver: async (batch, note) => {
      const [id] = note?.batchIds ?? [];
      const isStored = id !== undefined && repo.hasBatchId(id);
      if (!isStored) await repo.append(batch, note);
      const records = countRecords(batch);
      accounting.receive(records);
      accounting.settle(isStored ? 'duplicate' : 'stored', records);
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
