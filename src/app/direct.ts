import type { Config } from '../config/config.ts';
import type { Deliver } from '../model/deliver.ts';
import type { Repo } from '../repo/repo.ts';
import type { Accounting } from '../service/accounting.ts';
import { withIdempotency } from '../service/idempotency.ts';

/** What stands between the front, which has decoded a batch, and the files: the difference between version 1 and 2. */
export interface Pipeline {
  readonly deliver: Deliver;
  /** What must hold for the service to be ready, beside its storage. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /** The books of the stages behind the front. */
  readonly accountings: readonly Accounting[];
}

/** Version 1: what the front hands over is stored. Version 2 is in queued-pipeline.ts. */
export function createDirectPipeline({ config, repo }: { readonly config: Config; readonly repo: Repo }): Pipeline {
  const find = repo.idempotency.find.bind(repo.idempotency);
  const deliver = withIdempotency({ deliver: repo.append, find, durability: config.storage.durability });
  return { deliver, checks: {}, accountings: [] };
}
