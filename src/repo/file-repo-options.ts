import type { FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { StreamName } from '../model/stream.ts';
import type { INLINE } from './committer-options.ts';
import type { Compression } from './hour-forms.ts';
import type { IdempotencyLimits } from './idempotency-keys.ts';
import type { WaitingLimits } from './waiting-lines.ts';

export interface FileRepoOptions {
  readonly logsDir: string;
  readonly dlqDir: string;
  readonly stateDir: string;
  /** Further folders that this process alone writes: made and locked like the others. */
  readonly alsoOwn?: readonly string[];
  readonly durability: 'disk' | 'os';
  readonly idempotency: IdempotencyLimits;
  /** A batch that has waited longer than this for its commit to begin is refused: its client has given up by then. */
  readonly maxWaitMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock?: Clock;
  /** Milliseconds that never jump: keys age by it. A `clock` of the caller's is taken for steady when this is left out. */
  readonly elapsed?: Clock;
  readonly files?: FileSystem;
  readonly maxOpenFiles?: number;
  readonly segmentBytes?: number;
  /** See recovery.ts. */
  readonly beginsGenerations?: boolean;
  /** The largest batch that may be appended, when it is larger than a commit group. */
  readonly maxBatchBytes?: number;
  /** How new hours of a stream are stored; plain when left out. */
  readonly compressionOf?: (stream: StreamName) => Compression;
  /** See commit.ts. */
  readonly inline?: typeof INLINE;
  readonly syncEveryBytes?: number;
  readonly waiting?: WaitingLimits;
}
