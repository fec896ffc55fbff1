import type { Random } from '../../support/random.ts';
import type { DiskErrorCode, DiskFault, Operation } from '../preload/orders.ts';
import type { Fault } from '../reliability.ts';
import { DISK_ERRORS, type FileKind, needsDiskControl, strikeDisk } from './disk-orders.ts';

const WRITE_ERRORS: readonly DiskErrorCode[] = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EINTR'];
const SYNC_ERRORS: readonly DiskErrorCode[] = ['EIO', 'ENOSPC', 'EDQUOT'];

/** Files that are written under load, by how often. The keys and the sequence of a segment are written when it is retired. */
const WRITTEN: readonly FileKind[] = [
  'journal',
  'journal',
  'hours',
  'hours',
  'keys',
  'sequence',
  'summaries',
  'deadLetters',
  'all',
];

interface DiskErrorFault {
  readonly name: string;
  /** Whether it strikes syncs: with storage.durability os there are few. */
  readonly strikesSyncs?: boolean;
  /** Whether batches may be refused meanwhile. */
  readonly refuses: boolean;
  draw(random: Random): { readonly operations: readonly Operation[]; readonly fault: DiskFault };
}

function createDiskFault(
  { name, refuses, strikesSyncs = false, draw }: DiskErrorFault,
  written: readonly FileKind[],
): Fault {
  return {
    name,
    versions: [1, 2],
    weight: 1,
    kind: 'disturbs',
    needs: () => needsDiskControl(strikesSyncs),
    async strike(round) {
      const { random, version, whenAcknowledged, allow } = round;
      if (refuses) allow({ statuses: [503], errors: DISK_ERRORS ?? [] });
      const files = random.pick(version === 1 ? written : ([...written, 'spool'] as const));
      const order = { ...draw(random), files, skip: random.int(0, 3), times: random.int(1, 4) };
      await whenAcknowledged(random.int(0, 10));
      const held = await strikeDisk(round, order);
      await held.lift();
    },
  };
}

const KINDS: readonly DiskErrorFault[] = [
  /** Opening, writing, truncating, removing or renaming a file fails, and nothing is changed. */
  {
    name: 'write-errors',
    refuses: true,
    draw: (random) => ({
      operations: random.pick([
        ['write'],
        ['write'],
        ['open'],
        ['truncate', 'remove', 'rename'],
        ['makeFolder'],
        ['open', 'write'],
      ]),
      fault: { kind: 'error', code: random.pick(WRITE_ERRORS) },
    }),
  },
  /** A write fails after a part of it has reached the file. */
  {
    name: 'partial-writes',
    refuses: true,
    draw: (random) => ({
      operations: ['write'],
      fault: { kind: 'partial', share: random.next(), code: random.pick(WRITE_ERRORS) },
    }),
  },
  /** A sync fails. The next one says that all is well, as on Linux; sometimes what was written is dropped. */
  {
    name: 'sync-errors',
    strikesSyncs: true,
    refuses: true,
    draw: (random) => ({
      operations: random.pick([['sync'], ['sync'], ['sync', 'syncFolder'], ['syncFolder']]),
      fault: { kind: 'error', code: random.pick(SYNC_ERRORS) },
    }),
  },
  /** A sync fails, and what was written since the last one is gone. */
  {
    name: 'lost-writes',
    strikesSyncs: true,
    refuses: true,
    draw: (random) => ({ operations: ['sync'], fault: { kind: 'lose', code: random.pick(SYNC_ERRORS) } }),
  },
  /** Writes and reads do a part and say so. No client notices. */
  {
    name: 'short-writes',
    refuses: false,
    draw: (random) => ({
      operations: random.pick([['write'], ['write', 'read']]),
      fault: { kind: 'short', share: random.next() },
    }),
  },
  /** Descriptors run out in one call: EMFILE when a file is opened. */
  {
    name: 'open-errors',
    refuses: true,
    draw: () => ({ operations: ['open'], fault: { kind: 'error', code: 'EMFILE' } }),
  },
];

/** The faults, each on one of these kinds of files. */
export function createDiskFaults(written: readonly FileKind[] = WRITTEN): readonly Fault[] {
  return KINDS.map((kind) => createDiskFault(kind, written));
}
