import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import type { MemberIds } from './member-ids.ts';

/** What the group is asked and told. */
export interface GroupAdmin {
  /** The ids of the members of the group, of those that are joining too. */
  members(): Promise<readonly string[]>;
  /** Leaves the group in the name of these members. */
  leave(memberIds: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const POLL_MS = 50;
const RETRY_MS = 500;
/** Longer than any session: then the group has noticed by itself. */
const GIVE_UP_MS = 60_000;

/**
 * Leaves the group for the consumers of the process before, which died without leaving. Otherwise the partitions wait
 * until their sessions expire. Waits first until another member is in the group or joins it: a group that becomes empty
 * makes the next member wait for others (group.initial.rebalance.delay.ms, 3 s by default). Never rejects.
 */
export async function leaveForDead(parts: {
  readonly ids: MemberIds;
  openAdmin(): GroupAdmin;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { ids, openAdmin, log, signal } = parts;
  if (ids.dead.length === 0) return;
  const dead = new Set(ids.dead);
  const begin = performance.now();
  let admin = openAdmin();
  try {
    while (!signal.aborted && performance.now() - begin < GIVE_UP_MS) {
      try {
        const members = await admin.members();
        const left = members.filter((id) => dead.has(id));
        if (left.length > 0 && left.length < members.length) {
          await admin.leave(left);
          log.info('left the consumer group for consumers that died', { members: left.length });
        }
        if (left.length < members.length) {
          ids.forgetDead();
          return;
        }
        await pause(POLL_MS, signal);
      } catch (err) {
        log.warn('cannot remove the consumers of the last run from the group; trying again', {
          err,
          fold: 'dead members',
        });
        await admin.close();
        admin = openAdmin();
        await pause(RETRY_MS, signal);
      }
    }
  } finally {
    await admin.close();
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
