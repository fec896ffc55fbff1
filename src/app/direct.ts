import type { Config } from '../config/config.ts';
import type { Deliver } from '../model/deliver.ts';
import type { Repo } from '../repo/repo.ts';
import type { Accounting } from '../service/accounting.ts';
import { withIdempotency } from '../service/idempotency.ts';

/** The way of a decoded batch to the files: the difference between the direct and the queued pipeline. */
export interface Pipeline {
  readonly deliver: Deliver;
  /** Further readiness checks, beside that of the storage. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /** The accounting of the stages after ingest. */
  readonly accountings: readonly Accounting[];
}

/** Version 1: a batch is stored before it is acknowledged. Version 2 is in queued.ts. */
export function createDirectPipeline({ config, repo }: { readonly config: Config; readonly repo: Repo }): Pipeline {
  const { idempotency, append } = repo;
  const deliver = withIdempotency({
    deliver: append,
    find: (used) => idempotency.find(used),
    now: () => idempotency.now(),
    durability: config.storage.durability,
  });
  return { deliver, checks: {}, accountings: [] };
}
