import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../../disk/missing.ts';
import { replaceFileSync } from '../../disk/replace-file.ts';
import type { Log } from '../../log.ts';
import { isDefaultStream, type StreamName } from '../../model/stream.ts';

/*
 * The ids under which this process is in the consumer group, kept so that the next process on the same state folder can
 * leave the group for them when this one dies. The lock of the state folder makes sure that it is dead by then.
 *
 *   <stateDir>/kafka-members.json    {"groupId":"logs-consumer-group","members":["logforge-6f1c…",…]}   the newest last
 *   <stateDir>/kafka-members-events.json    of another stream than access, whose group is another
 *
 * The file is replaced in one step. Without it, or when it cannot be read, the group waits for the sessions of the dead.
 */

/** As many consumers as a process may have, and those that they replaced after a failure. */
const MAX_MEMBERS = 128;
const MAX_ID_LENGTH = 512;

export interface MemberIds {
  /** The ids of the process before. */
  readonly dead: readonly string[];
  /** Remembers an id of this process, synced. A failure is logged: the membership does not depend on it. */
  add(memberId: string): void;
  /** The ids of the process before are in the group no more. */
  forgetDead(): void;
}

export function openMemberIds(options: {
  readonly stateDir: string;
  readonly stream: StreamName;
  readonly groupId: string;
  readonly log: Pick<Log, 'warn'>;
}): MemberIds {
  const { stateDir, stream, groupId, log } = options;
  const path = join(stateDir, isDefaultStream(stream) ? 'kafka-members.json' : `kafka-members-${stream}.json`);
  let dead = readIds(path, groupId, log);
  const mine: string[] = [];

  function write(): void {
    const members = [...dead, ...mine].slice(-MAX_MEMBERS);
    try {
      replaceFileSync(path, [`${JSON.stringify({ groupId, members })}\n`], { durable: true, mode: 0o640 });
    } catch (err) {
      log.warn('cannot remember the ids of the consumers', { path, err, fold: path });
    }
  }

  return {
    dead,
    add(memberId) {
      if (mine.includes(memberId)) return;
      mine.push(memberId);
      if (mine.length > MAX_MEMBERS) mine.shift();
      write();
    },
    forgetDead() {
      if (dead.length === 0) return;
      dead = [];
      write();
    },
  };
}

function readIds(path: string, groupId: string, log: Pick<Log, 'warn'>): readonly string[] {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) throw new Error('not an object');
    const { groupId: group, members }: { groupId?: unknown; members?: unknown } = value;
    if (!Array.isArray(members) || typeof group !== 'string') throw new Error('groupId or members is missing');
    return group === groupId ? members.filter(isMemberId).slice(-MAX_MEMBERS) : [];
  } catch (err) {
    if (!isMissing(err)) log.warn('cannot read the ids of the consumers of the last run', { path, err });
    return [];
  }
}

function isMemberId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_ID_LENGTH;
}
