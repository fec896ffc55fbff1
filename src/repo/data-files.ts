import { join } from 'node:path';
import { type Hour, hourToPath, parseHour } from '../model/hour.ts';

/*
 * Data files by name, as the journal knows them:
 *
 *   2015-05-17T10      <logsDir>/2015-05-17/10.log.json
 *   dlq/2015-05-17     <dlqDir>/2015-05-17.ndjson
 */
const DLQ_PREFIX = 'dlq/';

export interface DataFolders {
  readonly logsDir: string;
  readonly dlqDir: string;
}

export function nameOfHour(hour: Hour): string {
  const known = names.get(hour);
  if (known !== undefined) return known;
  if (names.size >= MAX_NAMES) names.clear();
  const { day, hh } = hourToPath(hour);
  const name = `${day}T${hh}`;
  names.set(hour, name);
  return name;
}

/** Asked for with every chunk, and a quarter of a small commit to work out. */
const names = new Map<Hour, string>();
const MAX_NAMES = 10_000;

/** The hour that a file holds; undefined for dead letters. */
export function hourOfName(name: string): Hour | undefined {
  return parseHour(name);
}

/** The dead letters of the UTC day of `time`, Unix milliseconds. */
export function nameOfDeadLetters(time: number): string {
  return `${DLQ_PREFIX}${new Date(time).toISOString().slice(0, 10)}`;
}

export function pathOfName(folders: DataFolders, name: string): string {
  if (name.startsWith(DLQ_PREFIX)) return join(folders.dlqDir, `${name.slice(DLQ_PREFIX.length)}.ndjson`);
  const [day = '', hh = ''] = name.split('T');
  return join(folders.logsDir, day, `${hh}.log.json`);
}
