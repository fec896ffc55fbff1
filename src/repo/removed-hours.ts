import { UnavailableError } from '../model/deliver.ts';
import { type Hour, hourToIso, MIN_HOUR } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { type DataFile, type HourDataFile, hourOf } from './data-files.ts';

/** The sender's next attempt is decoded by what is known then. */
const RETRY_AFTER_SECONDS = 1;

/** What retention removed: of each stream all hours up to the newest one that it removed. They take no record any more, for ever. */
export class RemovedHours {
  readonly #newest = new Map<StreamName, HourDataFile>();

  get isEmpty(): boolean {
    return this.#newest.size === 0;
  }

  /** A day of dead letters is nothing to remember: it may begin again. */
  add(file: DataFile): void {
    if (file.kind === 'hour' && file.hour >= this.firstHour(file.stream)) this.#newest.set(file.stream, file);
  }

  has(file: DataFile): boolean {
    const hour = hourOf(file);
    return hour !== undefined && hour.hour < this.firstHour(hour.stream);
  }

  /** The first hour of a stream that takes records. */
  firstHour(stream: StreamName): Hour {
    const newest = this.#newest.get(stream);
    return newest === undefined ? MIN_HOUR : newest.hour + 1;
  }

  /** The newest removed hour of each stream. */
  get newest(): readonly HourDataFile[] {
    return [...this.#newest.values()];
  }

  /** Throws UnavailableError when one of the files is removed. A batch that was decoded before meets it; decoded again, it is judged rightly. */
  refuse(files: Iterable<DataFile>): void {
    for (const file of files) {
      if (file.kind !== 'hour' || !this.has(file)) continue;
      const what = `hour ${hourToIso(file.hour)} of stream ${file.stream} was removed by retention meanwhile`;
      throw new UnavailableError(`${what}; nothing of the batch was stored; send it again`, RETRY_AFTER_SECONDS);
    }
  }
}
