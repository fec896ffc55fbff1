import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { type Hour, hourToPath, parseHour } from '../model/hour.ts';

/*
 * The data files, and the names that the journal has for them:
 *
 *   name                 file
 *   2015-05-17T10        <logsDir>/2015-05-17/10.log.json
 *   dlq/2015-05-17       <dlqDir>/2015-05-17.ndjson
 */
const DLQ_PREFIX = 'dlq/';
const DLQ_FILE = /^(\d{4}-\d\d-\d\d)\.ndjson$/;

/** A reference to a data file. There is one object for each file, so references are compared with `===`. */
export type DataFile = HourDataFile | DeadLetterFile;

export interface HourDataFile {
  readonly kind: 'hour';
  readonly hour: Hour;
  /** In the journal. */
  readonly name: string;
  readonly path: string;
}

export interface DeadLetterFile {
  readonly kind: 'dead letters';
  readonly name: string;
  readonly path: string;
}

export interface DataFolders {
  readonly logsDir: string;
  readonly dlqDir: string;
}

/**
 * Gives out the references to the data files of two folders. A reference lives as long as somebody holds it: a service
 * that stores the records of many years does not keep one for each of their hours.
 */
export class DataFiles {
  readonly #folders: DataFolders;
  /** By hour, and by the day of dead letters. */
  readonly #known = new Map<Hour | string, WeakRef<DataFile>>();
  readonly #dropped = new FinalizationRegistry<Hour | string>((key) => {
    // By now there may be a new reference to the same file.
    if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
  });

  constructor(folders: DataFolders) {
    this.#folders = folders;
  }

  ofHour(hour: Hour): DataFile {
    const known = this.#known.get(hour)?.deref();
    if (known !== undefined) return known;
    const { day, hh } = hourToPath(hour);
    const path = join(this.#folders.logsDir, day, `${hh}.log.json`);
    return this.#remember(hour, { kind: 'hour', hour, name: `${day}T${hh}`, path });
  }

  /** The file for dead letters of `time`, Unix milliseconds: one a UTC day. */
  ofDeadLetters(time: number): DataFile {
    return this.#ofDeadLetterDay(new Date(time).toISOString().slice(0, 10));
  }

  /** The files of dead letters that are there, oldest first. */
  async listDeadLetters(): Promise<DataFile[]> {
    const names = await readdir(this.#folders.dlqDir).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    const days = names.flatMap((name) => DLQ_FILE.exec(name)?.[1] ?? []).sort();
    return days.map((day) => this.#ofDeadLetterDay(day));
  }

  /** The file that the journal calls by this name. Throws when it is the name of no data file. */
  named(name: string): DataFile {
    const day = name.startsWith(DLQ_PREFIX) ? name.slice(DLQ_PREFIX.length) : undefined;
    if (day !== undefined && parseHour(`${day}T00`) !== undefined) return this.#ofDeadLetterDay(day);
    const hour = parseHour(name);
    if (hour === undefined) throw new Error(`cannot tell which data file the journal means by name=${name}`);
    return this.ofHour(hour);
  }

  #ofDeadLetterDay(day: string): DataFile {
    const known = this.#known.get(day)?.deref();
    if (known !== undefined) return known;
    const path = join(this.#folders.dlqDir, `${day}.ndjson`);
    return this.#remember(day, { kind: 'dead letters', name: `${DLQ_PREFIX}${day}`, path });
  }

  #remember(key: Hour | string, file: DataFile): DataFile {
    this.#known.set(key, new WeakRef(file));
    this.#dropped.register(file, key);
    return file;
  }
}
