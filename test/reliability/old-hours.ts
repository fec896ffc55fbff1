import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { hourToIso, MS_PER_HOUR, parseHour } from '../../src/model/hour.ts';
import { type Dirs, launch, type Service, startService } from '../support/service.ts';
import { eventually, folderOf, listDays, listVisible } from '../support/storage.ts';
import { AUDIT, configureStreams, pathOf } from '../support/streams.ts';
import type { ServiceStart } from './reliability.ts';

/*
 * Hours that retention removes while a life goes on. They are stored once, by a process of its own, before the first start: plain ones of
 * access, compressed ones of events, long before the day of the load. Each start gets a maximal age by which a few more of them are due.
 * Before every second start another process begins to remove them, and is killed in the middle.
 */

const STREAMS = ['access', 'events'] as const;
const CONFIG = `${AUDIT}storage:\n  streams:\n    - {name: access, compression: none}\n    - {name: events, compression: zstd}\n`;
const FIRST = parseHour('2015-05-01T00') ?? Number.NaN;
/** Hours of each stream that become due at a start. */
const DUE_AT_START = 12;
/** A life of twelve rounds starts about so often. Later starts remove nothing. */
const STARTS = 14;
/** Of the first starts one hour is large: retention frees it in steps of 4 MiB, so that a kill comes in between. */
const LARGE_STARTS = 3;
/** Of random text, which zstd makes a quarter smaller. */
const LARGE = { records: 64, padBytes: 150_000, place: 5 };
/** Hours that are removed before a kill: then comes the large hour of access, that of events, or a small one. */
const KILL_AFTER = [LARGE.place, DUE_AT_START + LARGE.place, 1, DUE_AT_START, 2 * DUE_AT_START - 2] as const;
const REMOVED_WITHIN_MS = 20_000;

export interface OldHours {
  /** Before each start, when no process runs. Throws when an hour is back, or when the hours cannot be stored. */
  beforeStart(): Promise<NonNullable<ServiceStart['env']>>;
  /** The folders of the days that have hours that are due. */
  dueFolders(): readonly string[];
  /** At the end of a life: what is wrong. Waits until all hours that are due are removed. */
  check(service: Service): Promise<string[]>;
}

export function createOldHours(dirs: Dirs): OldHours {
  let starts = 0;
  /** `events 2015-05-01T00:00:00Z` of each hour that was missing once. */
  const gone = new Set<string>();
  /** Hours before this one are due. */
  const boundary = () => FIRST + Math.min(starts, STARTS) * DUE_AT_START;

  /** Notes which old hours are missing. Throws when one of them is back. */
  async function look(): Promise<void> {
    for (const stream of STREAMS) {
      const there = await listOld(dirs, stream);
      for (let hour = FIRST; hour < FIRST + STARTS * DUE_AT_START; hour++) {
        const name = `${stream} ${hourToIso(hour)}`;
        if (!there.has(hour)) gone.add(name);
        else if (gone.has(name)) throw new Error(`retention removed ${name}, and it is back`);
      }
    }
  }

  return {
    async beforeStart() {
      if (starts === 0) await storeAll(dirs);
      await look();
      if (starts === 0 && gone.size > 0) throw new Error(`old hours were not stored: ${[...gone].join(', ')}`);
      starts++;
      const age = Math.floor(Date.now() / MS_PER_HOUR) - boundary();
      const env = { LOGFORGE_RETENTION_MAX_AGE: `${age}h`, LOGFORGE_RETENTION_INTERVAL: '1s' };
      if (starts % 2 === 1 && starts <= STARTS)
        await killWhileRemoving(dirs, env, KILL_AFTER[((starts - 1) / 2) % KILL_AFTER.length] ?? 1);
      return env;
    },

    dueFolders: () =>
      STREAMS.flatMap((stream) =>
        Array.from({ length: Math.ceil((boundary() - FIRST) / 24) }, (_, day) =>
          join(folderOf(dirs.logs, stream), hourToIso(FIRST + day * 24).slice(0, 10)),
        ),
      ),

    async check({ url }) {
      const due = (boundary() - FIRST) * STREAMS.length;
      try {
        await eventually(async () => {
          await look();
          if (gone.size < due) throw new Error(`retention removed ${gone.size} hours; ${due} are due`);
        }, REMOVED_WITHIN_MS);
        for (const stream of STREAMS) {
          const answer = await fetch(`${url}/records?stream=${stream}&limit=all&to=${hourToIso(boundary())}`);
          const text = await answer.text();
          if (answer.status !== 200 || text !== '')
            return [`records of removed hours of ${stream} are answered: ${answer.status} ${text.slice(0, 200)}`];
        }
        return [];
      } catch (error) {
        return [error instanceof Error ? error.message : String(error)];
      }
    },
  };
}

/** The old hours of a stream that have a file of any form. */
async function listOld(dirs: Dirs, stream: string): Promise<ReadonlySet<number>> {
  const there = new Set<number>();
  const folder = folderOf(dirs.logs, stream);
  for (const day of await listDays(folder)) {
    // Retention removes folders, too.
    for (const name of await listVisible(join(folder, day)).catch(() => [])) {
      const hour = parseHour(`${day}T${name.slice(0, 2)}`);
      if (hour !== undefined) there.add(hour);
    }
  }
  return there;
}

/**
 * Stores all old hours. They have no summaries then, so retention waits for the aggregator, and removes some in each of its runs: not all
 * at the start, before a kill can come.
 */
async function storeAll(dirs: Dirs): Promise<void> {
  const service = await startService({
    dirs,
    args: await configureStreams(dirs, CONFIG),
    env: { LOGFORGE_STORAGE_DURABILITY: 'os', LOGFORGE_AGGREGATION_ENABLED: 'false' },
  });
  try {
    for (const stream of STREAMS) {
      const all = Array.from({ length: STARTS * DUE_AT_START }, (_, index) => recordOf(stream, FIRST + index, 0));
      await post(service, stream, all);
      for (let start = 0; start < LARGE_STARTS; start++) {
        const hour = FIRST + start * DUE_AT_START + LARGE.place;
        const large = Array.from({ length: LARGE.records }, () => recordOf(stream, hour, LARGE.padBytes));
        await post(service, stream, large);
      }
    }
  } finally {
    await service.stop();
  }
}

/** Kills a process as soon as it says that it removed so many hours. */
async function killWhileRemoving(dirs: Dirs, env: Readonly<Record<string, string>>, hours: number): Promise<void> {
  const args = await configureStreams(dirs);
  const { child, exited, logs } = launch({ dirs, args, env: { ...env, LOGFORGE_AGGREGATION_INTERVAL: '100ms' } });
  try {
    await eventually(() => {
      if (logs().split('"removed an hour"').length <= hours)
        throw new Error(`${hours} hours should be removed\n${logs()}`);
    }, REMOVED_WITHIN_MS);
  } finally {
    child.kill('SIGKILL');
  }
  const { code, signal } = await exited;
  if (signal !== 'SIGKILL') throw new Error(`a service that removed hours ended with ${code ?? signal}\n${logs()}`);
}

function recordOf(stream: (typeof STREAMS)[number], hour: number, padBytes: number): string {
  const fields = {
    access: { path: '/old', userAgent: 'old' },
    events: { level: 'INFO', message: 'old', service: 'old' },
  };
  const pad = padBytes === 0 ? {} : { pad: randomBytes(padBytes).toString('base64') };
  return `${JSON.stringify({ timestamp: hourToIso(hour), ...fields[stream], ...pad })}\n`;
}

async function post({ url }: Service, stream: string, records: readonly string[]): Promise<void> {
  const headers = { 'Content-Type': 'application/x-ndjson' };
  const { status } = await fetch(`${url}${pathOf(stream)}`, { method: 'POST', headers, body: records.join('') });
  if (status !== 202) throw new Error(`old records of ${stream} were answered ${status}`);
}
