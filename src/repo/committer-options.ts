import type { DamageReport } from '../disk/damage-report.ts';
import type { FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { StreamName } from '../model/stream.ts';
import type { DataFiles } from './data-files.ts';
import type { Compression } from './hour-forms.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import type { Opening } from './opening.ts';
import type { Recovered } from './recovery.ts';
import type { WaitingLimits } from './waiting-lines.ts';

export interface CommitterOptions {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly dataFiles: DataFiles;
  /** False for `storage.durability: os`: nothing is synced before the close. */
  readonly durable: boolean;
  readonly maxOpenFiles: number;
  /** A journal segment is followed by another when it has grown beyond this. */
  readonly segmentBytes: number;
  /** See unsynced-files.ts. */
  readonly syncEveryBytes: number;
  /** A commit of up to `bytes` + `bytesPerFile` for each file goes into the journal entry itself. */
  readonly inline: { readonly bytes: number; readonly bytesPerFile: number };
  /** How new hours of a stream are stored. */
  readonly compressionOf: (stream: StreamName) => Compression;
  readonly waiting: WaitingLimits;
  readonly report: DamageReport;
  readonly keys: IdempotencyKeys;
  readonly recovered: Recovered;
  readonly opening: Opening;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A small commit takes one sync: its bytes go into the journal entry. A large one is not written twice: it is synced in
 * its own files, side by side. The more files, the more their syncs cost. Measured by bench/append.ts.
 */
export const INLINE = { bytes: 256 * 1024, bytesPerFile: 32 * 1024 };
