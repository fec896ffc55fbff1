import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DamagedLog, DamageReport } from '../disk/damage-report.ts';
import { isAbsent } from '../disk/missing.ts';
import { type EntryForm, type LogScan, scanLog } from '../disk/scan-log.ts';
import type { SegmentNames } from '../disk/segment-names.ts';
import type { SchemaEvent } from '../model/schema-table.ts';

/** Reading the logs that schema-store.ts writes and draws. */
const FORM: EntryForm = { metaStart: Buffer.from('{"schemas":'), seedOf: (number) => seedOf(number), isNumbered: true };

/** An entry is valid in its own place only. */
export function seedOf(number: number): number {
  const text = Buffer.alloc(4);
  text.writeUInt32LE(number);
  return crc32(text);
}

/** Bytes of the smallest entry that gives an id: see `lostEntries`. */
const LEAST_ENTRY_BYTES = 100;

interface SchemaMeta {
  readonly schemas: number;
  readonly of?: number;
  readonly events: readonly SchemaEvent[];
}

/** What the logs of one store hold. */
export interface LogState {
  readonly events: readonly SchemaEvent[];
  /** Of the newest log; 0 when there is none. */
  readonly number: number;
  /** Entries may be lost. */
  readonly isLossy: boolean;
  /** How many, at most. */
  readonly lostEntries: number;
}

/** Reads the logs of one store and tells of their damage. */
export async function readSchemaLogs(options: {
  readonly dir: string;
  readonly names: SegmentNames;
  readonly report: DamageReport;
}): Promise<LogState> {
  const { dir, names, report } = options;
  const logs = (await listIfThere(names, dir)).map((number) => readSchemaLog(join(dir, names.of(number)), number));
  const chosen = choose(logs);
  const damaged = chosen.filter(({ damage }) => damage.length > 0);
  await report.tellRanges('schemas', damaged, {
    corrected: 'the log of the schema registry is damaged in one bit; it was corrected',
    unreadable: 'the log of the schema registry is damaged; schemas may be lost, and the others are served',
  });
  const lost = damaged.flatMap(({ damage }) => damage.filter(({ isCorrected }) => !isCorrected));
  return {
    events: chosen.flatMap(({ events }) => events),
    number: logs.at(-1)?.number ?? 0,
    isLossy: lost.length > 0,
    lostEntries: lost.reduce((sum, { start, end }) => sum + Math.ceil((end - start) / LEAST_ENTRY_BYTES), 0),
  };
}

interface ReadLog extends DamagedLog {
  readonly number: number;
  readonly entries: number;
  /** Of a write that did not finish, at the end. */
  readonly tornBytes: number;
  readonly events: readonly SchemaEvent[];
  /** It begins with a whole snapshot, and nothing in it is damaged beyond correction. */
  readonly isSound: boolean;
  /** Changes were appended to it, so its snapshot was whole once. */
  readonly isInUse: boolean;
}

/**
 * The newest log alone, where it is sound: the ones before it were about to be deleted. One whose snapshot was not written to its end,
 * and to which nothing was appended, does not count where a sound one stands before it. Otherwise the newest is damaged, and those
 * before it may have what it lost.
 */
function choose(logs: readonly ReadLog[]): readonly ReadLog[] {
  const firstSound = logs.findIndex(({ isSound }) => isSound);
  const counting = logs.filter(
    ({ isSound, isInUse }, at) => isSound || isInUse || firstSound === -1 || at < firstSound,
  );
  return counting.slice(
    Math.max(
      0,
      counting.findLastIndex(({ isSound }) => isSound),
    ),
  );
}

/** Reads one log, and tells nobody. */
export function readSchemaLog(path: string, number: number): ReadLog {
  const bytes = readFileSync(path);
  const scan = scanLog(bytes, { start: 0, form: FORM });
  // The checksum holds, so this is what a service wrote.
  const metas = scan.entries.map(({ meta }) => meta as SchemaMeta);
  const damage = withMissing(scan, metas);
  const isWhole = metas[0]?.of !== undefined && metas.length >= metas[0].of;
  const isSound = isWhole && damage.every(({ isCorrected }) => isCorrected);
  const isInUse = metas.some(({ of }) => of === undefined);
  const { tornBytes } = scan;
  return {
    path,
    number,
    bytes,
    entries: metas.length,
    damage,
    tornBytes,
    isSound,
    isInUse,
    events: metas.flatMap(({ events }) => events),
  };
}

/** Entries that were cut out leave no bytes, but a gap in the numbers. */
function withMissing({ damage, entries }: LogScan, metas: readonly SchemaMeta[]): LogScan['damage'] {
  if (damage.some(({ isCorrected }) => !isCorrected)) return damage;
  const gap = metas.findIndex(({ schemas }, at) => schemas !== at);
  const start = entries[gap]?.start;
  return start === undefined ? damage : [...damage, { start, end: start + 1, isCorrected: false }];
}

async function listIfThere(names: SegmentNames, dir: string): Promise<number[]> {
  try {
    return await names.list(dir);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
